"""What a client can ask of the service, in any protocol: frozen dataclasses."""

from dataclasses import dataclass
from typing import TypeAlias

from webpubsub_emulator.messages import ErrorDetail, GroupState, Payload


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


@dataclass(frozen=True, slots=True)
class Invoke:
    """Send a user event to the app, and wait for the answer to this id."""

    invocation_id: str
    event: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class CancelInvocation:
    """Wait no longer for the answer to an invocation."""

    invocation_id: str


@dataclass(frozen=True, slots=True)
class SetGroupState:
    """Set the client's own state in a group, or clear it with None."""

    group: str
    state: GroupState | None
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class SubscribeGroupState:
    """Receive the states in a group, now and when they change."""

    group: str
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class UnsubscribeGroupState:
    """Receive the states in a group no more."""

    group: str
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class StartStream:
    """Open a stream to a group. The stream is `invalid` if one of its values cannot be used."""

    group: str
    stream_id: str
    idle_ms: int
    no_echo: bool
    invalid: str = ""  # the text for the client


@dataclass(frozen=True, slots=True)
class StreamData:
    """Publish the next fragment of a stream."""

    stream_id: str
    sequence_id: int
    payload: Payload


@dataclass(frozen=True, slots=True)
class KeepStreamAlive:
    """Restart the idle timeout of a stream."""

    stream_id: str


@dataclass(frozen=True, slots=True)
class EndStream:
    """Close a stream, perhaps with an error for its receivers."""

    stream_id: str
    error: ErrorDetail | None


StateRequest: TypeAlias = SetGroupState | SubscribeGroupState | UnsubscribeGroupState
GroupRequest: TypeAlias = JoinGroup | LeaveGroup | SendToGroup | StateRequest
StreamRequest: TypeAlias = StartStream | StreamData | KeepStreamAlive | EndStream
InvocationRequest: TypeAlias = Invoke | CancelInvocation
ClientRequest: TypeAlias = (
    GroupRequest | SendEvent | Ping | SequenceAck | InvocationRequest | StreamRequest
)
