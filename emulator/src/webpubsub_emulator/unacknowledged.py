"""What a reliable client has not acknowledged: sequence ids, and the messages kept for recovery."""

from collections.abc import Iterable

from webpubsub_emulator.frame_queue import FrameQueue
from webpubsub_emulator.messages import Frame
from webpubsub_emulator.outgoing import OutgoingMessage


class UnacknowledgedMessages:
    """The messages of one reliable connection, numbered from 1 in the order of `add`."""

    __slots__ = ("_frames", "_last_id")

    def __init__(self) -> None:
        self._frames = FrameQueue()
        self._last_id = 0

    @property
    def is_overfull(self) -> bool:
        """Whether more is kept than may be: the session cannot be recovered any more."""
        return self._frames.is_overfull

    def add(self, message: OutgoingMessage) -> Frame:
        """The message with its sequence id, kept until it is acknowledged."""
        self._last_id += 1
        frame = message.reliable_json(self._last_id)
        self._frames.append(frame)
        return frame

    def release(self, sequence_id: int) -> None:
        """The client has everything up to this id, which may be beyond the last one sent."""
        while self._frames and self._last_id - len(self._frames) < sequence_id:
            self._frames.popleft()

    def frames(self) -> Iterable[Frame]:
        """What is to be sent again after a recovery, in its order and as it was."""
        return self._frames
