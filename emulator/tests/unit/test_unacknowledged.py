"""Tests of unacknowledged.py."""

import json

import pytest

from webpubsub_emulator.frame_queue import FRAME_LIMIT
from webpubsub_emulator.messages import Payload
from webpubsub_emulator.outgoing import server_message
from webpubsub_emulator.protocol_reliable_json import numbered_frame
from webpubsub_emulator.unacknowledged import UnacknowledgedMessages

MESSAGE = server_message(Payload("text", b"x"))


def kept(subject: UnacknowledgedMessages) -> list[int]:
    """Return the sequence ids that would be sent again."""
    return [json.loads(frame.data)["sequenceId"] for frame in subject.frames()]


@pytest.mark.parametrize(
    ("acknowledged", "ids"),
    [
        ([], [1, 2, 3]),
        ([0], [1, 2, 3]),
        ([2], [3]),
        ([2, 1], [3]),
        ([3], []),
        ([2**64 - 1], []),
    ],
)
def test_acknowledging(acknowledged: list[int], ids: list[int]) -> None:
    """An id releases itself and all before it, even if it is beyond the last one sent."""
    subject = UnacknowledgedMessages(numbered_frame)
    for _ in range(3):
        subject.add(MESSAGE)
    for sequence_id in acknowledged:
        subject.release(sequence_id)
    assert kept(subject) == ids
    subject.add(MESSAGE)
    assert kept(subject) == [*ids, 4]


def test_the_same_frame_is_sent_again() -> None:
    subject = UnacknowledgedMessages(numbered_frame)
    sent = subject.add(MESSAGE)
    assert [frame is sent for frame in subject.frames()] == [True]


def test_too_much() -> None:
    """More than 1,000 messages are too many, unless some are acknowledged in time."""
    subject = UnacknowledgedMessages(numbered_frame)
    for _ in range(FRAME_LIMIT + 1):
        assert not subject.is_overfull
        subject.add(MESSAGE)
    assert subject.is_overfull
    subject.release(1)
    assert not subject.is_overfull
