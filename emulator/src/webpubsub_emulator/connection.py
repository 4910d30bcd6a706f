"""One connection: its facts, its states, and what the service remembers. No groups, no I/O."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from webpubsub_emulator.client_modes import PublishMode
from webpubsub_emulator.client_protocol import ClientProtocol
from webpubsub_emulator.client_requests import SendEvent
from webpubsub_emulator.cookies import Cookies
from webpubsub_emulator.events import ConnectAnswer, Event, Handshake
from webpubsub_emulator.messages import Frame, Payload
from webpubsub_emulator.outgoing import OutgoingMessage
from webpubsub_emulator.permissions import Permissions
from webpubsub_emulator.subprotocols import SIMPLE, choose_subprotocol, protocol_of
from webpubsub_emulator.unacknowledged import UnacknowledgedMessages

ACK_MEMORY = 1_000  # how many acknowledged ack ids a connection remembers
HELD_FRAMES = 16  # how many frames are read ahead while the app has not answered a user event


class State(Enum):
    """The states of a connection."""

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


# Every legal move. A move that is missing here is a mistake of the caller.
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
    """The client's close frame, held behind the frames that came before it."""

    reason: str


@dataclass(slots=True)
class Connection:
    """What the service knows about one client. Every change of `state` goes through `move`."""

    hub: str
    id: str
    mode: PublishMode | None = None  # only for the simple protocol
    state: State = State.CONNECTING
    user_id: str | None = None
    subprotocol: str | None = None
    protocol: ClientProtocol = SIMPLE
    permissions: Permissions = field(default_factory=lambda: Permissions.from_roles(()))
    opened_at: float | None = None  # seconds since 1970; set by the shell, which has the clock
    groups: set[str] = field(default_factory=set)
    connection_state: str | None = None  # set by event handlers, and sent with every event
    cookies: Cookies = field(default_factory=Cookies, repr=False)
    pending: SendEvent | None = None  # the user event that the app has not answered yet
    held: list[Frame | Goodbye] = field(default_factory=list)  # received while `pending` is set
    is_attached: bool = True  # without a socket it waits for a recovery
    drop: int = 0  # how often it lost its socket; a retention timer names the drop it is for
    unacknowledged: UnacknowledgedMessages | None = None  # None if the client cannot recover
    _event_count: int = 0
    _ack_ids: dict[int, None] = field(default_factory=dict)  # in the order of their success

    def move(self, happened: Input) -> None:
        """Change the state. Raises IllegalMoveError if MOVES has no such move."""
        try:
            self.state = MOVES[self.state][happened]
        except KeyError:
            text = f"A connection that is {self.state.value} cannot be {happened.value}."
            raise IllegalMoveError(text) from None

    def accept(self, asked: Handshake, answer: ConnectAnswer) -> None:
        """Take each value of the app's answer, or of the token where the answer has none.

        An empty user id in the answer removes the user id.
        """
        user_id = asked.user_id if answer.user_id is None else answer.user_id
        self.user_id = user_id or None
        roles = asked.roles if answer.roles is None else answer.roles
        self.permissions = Permissions.from_roles(roles)
        self.subprotocol = choose_subprotocol(asked.subprotocols, answer.subprotocol)
        self.protocol = protocol_of(self.subprotocol)
        self.unacknowledged = self.protocol.new_unacknowledged()
        self.connection_state = answer.connection_state

    def next_event(
        self,
        kind: Literal["sys", "user", "gp"],
        name: str,
        payload: Payload,
        group: str | None = None,
    ) -> Event:
        """Return the connection's next event, numbered in the order of these calls."""
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
            group=group,
            cookies=self.cookies,
        )

    def frame_for(self, message: OutgoingMessage) -> Frame | None:
        """Return the message in the client's protocol, and keep it if the client can recover.

        None means that the client left more unacknowledged than may be kept.
        """
        if self.unacknowledged is None:
            return message.encoded(self.protocol.encode)
        frame = self.unacknowledged.add(message)
        return None if self.unacknowledged.is_overfull else frame

    @property
    def must_pause(self) -> bool:
        """Whether so many frames are held that no more should be read."""
        return len(self.held) >= HELD_FRAMES

    @property
    def is_leaving(self) -> bool:
        """Whether the client sent its close frame while earlier frames are still held."""
        return any(isinstance(held, Goodbye) for held in self.held)

    def has_acknowledged(self, ack_id: int | None) -> bool:
        """Return whether a request with this id succeeded before; old ids are forgotten."""
        return ack_id in self._ack_ids

    def remember_ack(self, ack_id: int | None) -> None:
        """Remember the id of a request that succeeded, and forget the oldest after ACK_MEMORY."""
        if ack_id is None:
            return
        self._ack_ids[ack_id] = None
        if len(self._ack_ids) > ACK_MEMORY:
            del self._ack_ids[next(iter(self._ack_ids))]
