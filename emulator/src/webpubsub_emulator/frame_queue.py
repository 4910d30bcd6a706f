"""Frames that wait for one client, counted and weighed. Who waits for what is not known here."""

from collections import deque
from collections.abc import Iterator

from webpubsub_emulator.messages import Frame

FRAME_LIMIT = 1_000
"""How many frames may wait (client-spec, "Reliable": 1,000 messages or 16 MB)."""
BYTES_LIMIT = 16 * 1024 * 1024
"""How many bytes they may have together."""


class FrameQueue:
    """First in, first out; the caller looks at `is_overfull` after each `append`."""

    __slots__ = ("_bytes", "_frames")

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    @property
    def is_overfull(self) -> bool:
        """Whether more waits than may."""
        return len(self._frames) > FRAME_LIMIT or self._bytes > BYTES_LIMIT

    def append(self, frame: Frame) -> None:
        """Add the newest frame. Its bytes are shared with whoever else has the frame."""
        self._frames.append(frame)
        self._bytes += len(frame.data)

    def popleft(self) -> Frame:
        """Take the oldest frame; IndexError if there is none."""
        frame = self._frames.popleft()
        self._bytes -= len(frame.data)
        return frame
