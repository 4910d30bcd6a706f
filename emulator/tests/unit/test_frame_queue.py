"""Tests of frame_queue.py."""

import pytest

from webpubsub_emulator.frame_queue import BYTES_LIMIT, FRAME_LIMIT, FrameQueue
from webpubsub_emulator.messages import Frame


def test_first_in_first_out() -> None:
    """Frames leave in their order, as the same objects."""
    subject = FrameQueue()
    frames = [Frame(b"1"), Frame(b"2")]
    for frame in frames:
        subject.append(frame)
    assert list(subject) == frames
    assert subject.popleft() is frames[0]
    assert len(subject) == 1


@pytest.mark.parametrize(
    ("size", "count"), [(1, FRAME_LIMIT), (BYTES_LIMIT, 1), (BYTES_LIMIT // 4, 4)]
)
def test_limits(size: int, count: int) -> None:
    """1,000 frames or 16 MiB are allowed; one frame more is too much until another one leaves."""
    assert (FRAME_LIMIT, BYTES_LIMIT) == (1_000, 16_777_216)
    subject = FrameQueue()
    for _ in range(count):
        subject.append(Frame(bytes(size)))
    assert not subject.is_overfull
    subject.append(Frame(b"x"))
    assert subject.is_overfull
    subject.popleft()
    assert not subject.is_overfull
