"""The effects of an input to a hub, which the hub's caller carries out. Nobody changes them."""

from dataclasses import dataclass
from typing import TypeAlias

from webpubsub_emulator.events import Event
from webpubsub_emulator.messages import Frame, Lifetime


# Not frozen: that would take twice as long, for each client of a broadcast.
@dataclass(slots=True)
class Send:
    """Send this frame to that client, if it has a socket."""

    connection_id: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class Close:
    """Close that client's WebSocket, if it has one, after the frames sent before."""

    connection_id: str
    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Deliver this user event and pass the answer to `Hub.event_answered`.

    With an invocation id the answer goes to `Hub.invocation_answered`.
    """

    event: Event
    invocation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Cancel the delivery of the connection's last `Ask`, or of the one with this invocation id."""

    connection_id: str
    invocation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Notify:
    """Deliver this event; its answer has no effect."""

    event: Event


@dataclass(frozen=True, slots=True)
class PauseReading:
    """Do not read from that client until `ResumeReading` or `Withdraw`."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class ResumeReading:
    """Read from that client again."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class Retain:
    """Pass the connection and its drop to `Hub.recovery.expire` after the retention time."""

    hub: str
    connection_id: str
    drop: int


@dataclass(frozen=True, slots=True)
class Expire:
    """End this lifetime after its seconds."""

    lifetime: Lifetime


@dataclass(frozen=True, slots=True)
class WatchStream:
    """Pass the stream to `Hub.stream_idle` after these milliseconds. Replaces an earlier one."""

    hub: str
    connection_id: str
    stream_id: str
    ms: int


@dataclass(frozen=True, slots=True)
class ForgetStream:
    """Undo `WatchStream`: the stream has ended."""

    connection_id: str
    stream_id: str


StreamEffect: TypeAlias = WatchStream | ForgetStream
OtherEffect: TypeAlias = (
    Close | Ask | Withdraw | Notify | PauseReading | ResumeReading | Retain | Expire | StreamEffect
)
Effect: TypeAlias = Send | OtherEffect
