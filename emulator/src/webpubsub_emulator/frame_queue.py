"""A queue of frames for one client, with a limit on their number and on their bytes."""

from collections import deque
from collections.abc import Iterator

from webpubsub_emulator.messages import Frame

# The limits of one queue (client-spec, "Reliable": 1,000 messages or 16 MB).
FRAME_LIMIT = 1_000
BYTES_LIMIT = 16 * 1024 * 1024


class FrameQueue:
    """First in, first out. The caller checks `is_overfull` after each `append`."""

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
        """Whether the queue is over one of its limits."""
        return len(self._frames) > FRAME_LIMIT or self._bytes > BYTES_LIMIT

    def append(self, frame: Frame) -> None:
        """Add the newest frame. Its bytes are not copied.

        A full queue first loses its oldest frames, as long as they are expired.
        """
        self._frames.append(frame)
        self._bytes += len(frame.data)
        if self.is_overfull:
            self._drop_expired()

    def popleft(self) -> Frame:
        """Remove and return the oldest frame. Raises IndexError if there is none."""
        frame = self._frames.popleft()
        self._bytes -= len(frame.data)
        return frame

    def _drop_expired(self) -> None:
        while self._frames and self._frames[0].is_expired:
            self.popleft()
