"""What a client can ask of the service, in any protocol: frozen dataclasses."""

from dataclasses import dataclass
from typing import TypeAlias

from webpubsub_emulator.messages import Payload


class FrameError(ValueError):
    """A frame that the client's protocol does not allow. The text is the close reason."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code  # the close code (RFC 6455, section 7.4.1)


@dataclass(frozen=True, slots=True)
class JoinGroup:
    """Join a group."""

    group: str
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class LeaveGroup:
    """Leave a group."""

    group: str
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class SendToGroup:
    """Send to a group; with `no_echo` the sender does not get its own message."""

    group: str
    payload: Payload
    no_echo: bool
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class SendEvent:
    """Send a user event to the app."""

    event: str
    payload: Payload
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class Ping:
    """Send back a pong."""


@dataclass(frozen=True, slots=True)
class SequenceAck:
    """Acknowledge every message up to this sequence id."""

    sequence_id: int


GroupRequest: TypeAlias = JoinGroup | LeaveGroup | SendToGroup
ClientRequest: TypeAlias = GroupRequest | SendEvent | Ping | SequenceAck
