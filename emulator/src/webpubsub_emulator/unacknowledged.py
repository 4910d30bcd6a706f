"""The messages that a reliable client has not acknowledged: numbered, and kept for a recovery."""

from collections.abc import Callable, Iterable

from webpubsub_emulator.frame_queue import FrameQueue
from webpubsub_emulator.messages import Frame
from webpubsub_emulator.outgoing import OutgoingMessage


class UnacknowledgedMessages:
    """The messages of one connection, numbered from 1 in the order of `add`.

    `encode` makes the frame of a message with its sequence id.
    """

    __slots__ = ("_encode", "_frames", "_last_id")

    def __init__(self, encode: Callable[[OutgoingMessage, int], Frame]) -> None:
        self._encode = encode
        self._frames = FrameQueue()
        self._last_id = 0

    @property
    def is_overfull(self) -> bool:
        """Whether more is kept than allowed, after which the client cannot recover."""
        return self._frames.is_overfull

    def add(self, message: OutgoingMessage) -> Frame:
        """Return the frame of a message with the next sequence id, and keep the frame."""
        self._last_id += 1
        frame = self._encode(message, self._last_id)
        self._frames.append(frame)
        return frame

    def release(self, sequence_id: int) -> None:
        """Drop the messages up to this id, which may be beyond the last one sent."""
        while self._frames and self._last_id - len(self._frames) < sequence_id:
            self._frames.popleft()

    def frames(self) -> Iterable[Frame]:
        """Return the frames to send again after a recovery, oldest first, without expired ones."""
        return (frame for frame in self._frames if not frame.is_expired)
