"""One connection: its facts, its legal moves, and what it has to remember. No groups, no I/O."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from webpubsub_emulator.client_modes import PublishMode
from webpubsub_emulator.cookies import Cookies
from webpubsub_emulator.events import ConnectAnswer, Event, Handshake
from webpubsub_emulator.messages import (
    Frame,
    Payload,
    Protocol,
    SendEvent,
    choose_subprotocol,
    protocol_of,
)
from webpubsub_emulator.outgoing import OutgoingMessage
from webpubsub_emulator.permissions import Permissions
from webpubsub_emulator.unacknowledged import UnacknowledgedMessages

ACK_MEMORY = 1_000
"""How many acknowledged ack ids a connection remembers."""


class State(Enum):
    """Where a connection is in its life."""

    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting for the app's answer to a user event"
    CLOSED = "closed"


class Input(Enum):
    """What can happen to a connection."""

    OPENED = "opened"
    REFUSED = "refused"
    ASKED = "asked the app"
    ANSWERED = "answered by the app"
    ENDED = "ended"


# Everything that may happen; what is missing is a mistake in the caller.
MOVES: dict[State, dict[Input, State]] = {
    State.CONNECTING: {Input.OPENED: State.OPEN, Input.REFUSED: State.CLOSED},
    State.OPEN: {Input.ASKED: State.WAITING, Input.ENDED: State.CLOSED},
    State.WAITING: {Input.ANSWERED: State.OPEN, Input.ENDED: State.CLOSED},
    State.CLOSED: {},
}


class IllegalMoveError(RuntimeError):
    """An input that the connection's state does not allow."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The client's close frame, waiting behind the frames that came before it."""

    reason: str


@dataclass(slots=True)
class Connection:
    """The service's memory of one client. Every change of `state` goes through `move`."""

    hub: str
    id: str
    mode: PublishMode | None = None
    """What frames do if it is a simple client; None sends user events."""
    state: State = State.CONNECTING
    user_id: str | None = None
    subprotocol: str | None = None
    protocol: Protocol = Protocol.SIMPLE
    permissions: Permissions = field(default_factory=lambda: Permissions.from_roles(()))
    groups: set[str] = field(default_factory=set)
    connection_state: str | None = None
    cookies: Cookies = field(default_factory=Cookies, repr=False)
    """What event handlers set; it goes with every event of the connection."""
    pending: SendEvent | None = None
    """The user event that the app has not answered yet."""
    held: list[Frame | Goodbye] = field(default_factory=list)
    """What the client sent while `pending` is set."""
    is_attached: bool = True
    """Whether it has a socket; without one it waits to be recovered."""
    drop: int = 0
    """How often it lost its socket; tells the drop of now from an earlier one."""
    unacknowledged: UnacknowledgedMessages | None = None
    """Only a reliable client has them."""
    _event_count: int = 0
    _ack_ids: dict[int, None] = field(default_factory=dict)  # in the order of their success

    def move(self, happened: Input) -> None:
        """Change the state; IllegalMoveError names both sides if the table has no such move."""
        try:
            self.state = MOVES[self.state][happened]
        except KeyError:
            text = f"A connection that is {self.state.value} cannot be {happened.value}."
            raise IllegalMoveError(text) from None

    def accept(self, asked: Handshake, answer: ConnectAnswer) -> None:
        """Take the token's values, or the app's where it gave some. An empty user id clears it."""
        user_id = asked.user_id if answer.user_id is None else answer.user_id
        self.user_id = user_id or None
        roles = asked.roles if answer.roles is None else answer.roles
        self.permissions = Permissions.from_roles(roles)
        self.subprotocol = choose_subprotocol(asked.subprotocols, answer.subprotocol)
        self.protocol = protocol_of(self.subprotocol)
        if self.protocol is Protocol.RELIABLE_JSON:
            self.unacknowledged = UnacknowledgedMessages()
        self.connection_state = answer.connection_state

    def next_event(self, kind: Literal["sys", "user"], name: str, payload: Payload) -> Event:
        """The connection's next event, numbered in the order of these calls."""
        number = self._event_count
        self._event_count += 1
        return Event(
            hub=self.hub,
            connection_id=self.id,
            kind=kind,
            name=name,
            number=number,
            payload=payload,
            user_id=self.user_id,
            subprotocol=self.subprotocol,
            connection_state=self.connection_state,
            cookies=self.cookies,
        )

    def frame_for(self, message: OutgoingMessage) -> Frame:
        """The message in this client's form; for a reliable client it is also kept."""
        if self.unacknowledged is not None:
            return self.unacknowledged.add(message)
        return message.simple if self.protocol is Protocol.SIMPLE else message.json

    @property
    def is_overfull(self) -> bool:
        """Whether a reliable client left more unacknowledged than may be kept."""
        return self.unacknowledged is not None and self.unacknowledged.is_overfull

    @property
    def is_leaving(self) -> bool:
        """Whether the client said goodbye, behind frames that are still to be carried out."""
        return any(isinstance(held, Goodbye) for held in self.held)

    def has_acknowledged(self, ack_id: int | None) -> bool:
        """Whether a request with this id succeeded before, as far as it is remembered."""
        return ack_id in self._ack_ids

    def remember_ack(self, ack_id: int | None) -> None:
        """Remember a success, and forget the oldest beyond ACK_MEMORY."""
        if ack_id is None:
            return
        self._ack_ids[ack_id] = None
        if len(self._ack_ids) > ACK_MEMORY:
            del self._ack_ids[next(iter(self._ack_ids))]
