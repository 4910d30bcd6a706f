"""What a hub's caller has to do: the effects of an input, as frozen dataclasses."""

from dataclasses import dataclass

from webpubsub_emulator.events import Event
from webpubsub_emulator.messages import Frame


@dataclass(frozen=True, slots=True)
class Send:
    """Send this frame to that client, if its socket is there."""

    connection_id: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class Close:
    """Close that client's WebSocket, if it is there, after the frames sent before."""

    connection_id: str
    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Deliver this user event and give the answer to `Hub.event_answered`."""

    event: Event


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Give up the delivery asked for last: the connection has ended."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Deliver this event; nobody waits for an answer."""

    event: Event


@dataclass(frozen=True, slots=True)
class PauseReading:
    """Read no more from that client until `ResumeReading` or `Withdraw`."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class ResumeReading:
    """Read from that client again."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class Retain:
    """Give the connection and its drop to `Hub.retention_expired` after the retention time."""

    hub: str
    connection_id: str
    drop: int


Effect = Send | Close | Ask | Withdraw | Notify | PauseReading | ResumeReading | Retain
