"""One hub without I/O: inputs from clients, the app and REST calls in, effects out.

No await, no aiohttp, no clock and no random number, here or in the modules hub_*.py.
"""

from webpubsub_emulator.client_modes import PublishMode
from webpubsub_emulator.connection import Connection, Goodbye, Input, State
from webpubsub_emulator.effects import Effect, Notify, PauseReading, Send
from webpubsub_emulator.events import (
    ConnectAnswer,
    Event,
    EventAnswer,
    Handshake,
    connect_payload,
    connected_payload,
)
from webpubsub_emulator.hub_endings import NORMAL_CLOSURE, Endings
from webpubsub_emulator.hub_group_states import GroupStates
from webpubsub_emulator.hub_groups import Groups
from webpubsub_emulator.hub_invocations import Invocations
from webpubsub_emulator.hub_memberships import Memberships
from webpubsub_emulator.hub_recovery import Recovery
from webpubsub_emulator.hub_requests import Requests
from webpubsub_emulator.hub_sending import Sending
from webpubsub_emulator.hub_streams import Streams
from webpubsub_emulator.messages import ErrorDetail, Frame
from webpubsub_emulator.registry import Registry, Watch

ENDED = "The connection ended."


class Hub:
    """The connections and groups of one hub.

    Every input returns its effects. The caller carries them out in their order, before it gives
    the hub another input. An input for a connection that has ended has no effects, because
    answers and frames may arrive late. After a recovery the caller must not pass on frames of
    the connection's earlier socket.

    The methods here are a client's life and the app's answers to it. REST calls use `groups`,
    `sending` and `endings`, sockets use `recovery`, and `connections` finds connections.
    `watch` is called before each change of a membership.
    """

    def __init__(self, name: str, watch: Watch | None = None) -> None:
        self.name = name
        self.connections = Registry(watch)
        self.memberships = Memberships(self.connections)
        self.groups = Groups(self.connections, self.memberships)
        self.endings = Endings(self.connections, self.memberships)
        self.sending = Sending(self.connections, self.endings)
        self.recovery = Recovery(self.connections, self.endings)
        self._invocations = Invocations(self.connections)
        self._streams = Streams(self.connections, self.sending)
        self.group_states = GroupStates(self.sending)
        self.memberships.also_left.append(self.group_states.left)
        self.endings.also += (self._invocations.end, self._streams.abandon, self.group_states.end)
        self._requests = Requests(
            self.memberships,
            self.sending,
            self.endings,
            self.group_states,
            self._invocations.requests | self._streams.requests,
        )
        self._arriving: dict[str, tuple[Connection, Handshake]] = {}

    def client_arrived(self, handshake: Handshake, mode: PublishMode | None = None) -> Event:
        """Take in a client with a valid token and return its connect event.

        The caller must call either client_opened or client_refused next. Until then the
        connection cannot be addressed.
        """
        connection = Connection(self.name, handshake.connection_id, mode)
        self._arriving[connection.id] = (connection, handshake)
        # The connect event has the token's user id. The app's answer may change it.
        connection.user_id = handshake.user_id
        return connection.next_event("sys", "connect", connect_payload(handshake))

    @property
    def occupied(self) -> int:
        """The number of connections, and of clients that have arrived and are not open yet."""
        return len(self.connections.everyone()) + len(self._arriving)

    def client_refused(self, connection_id: str) -> None:
        """Forget a client that the app or the service refused."""
        connection, _ = self._arriving.pop(connection_id)
        connection.move(Input.REFUSED)

    def client_opened(
        self, connection_id: str, answer: ConnectAnswer, reconnection_token: str
    ) -> list[Effect]:
        """Open the connection of an accepted client. From here on it can be addressed."""
        connection, handshake = self._arriving.pop(connection_id)
        connection.move(Input.OPENED)
        connection.accept(handshake, answer)
        self.connections.add(connection)
        connected = connection.next_event("sys", "connected", connected_payload())
        effects = [*_greet(connection, reconnection_token), Notify(connected)]
        for group in answer.groups or handshake.groups:
            effects += self.memberships.join(connection, group)
        return effects

    def client_sent(self, connection_id: str, frame: Frame) -> list[Effect]:
        """Carry out a whole WebSocket message, or hold it while a user event is pending."""
        connection = self.connections.get(connection_id)
        if connection is None:
            return []
        if connection.state is not State.WAITING:
            return self._requests.read(connection, frame)
        connection.held.append(frame)
        return [PauseReading(connection.id)] if connection.must_pause else []

    def event_answered(self, connection_id: str, answer: EventAnswer | None) -> list[Effect]:
        """Pass on the app's answer to the pending user event; None means that the event failed."""
        connection = self.connections.get(connection_id)
        return [] if connection is None else self._requests.answered(connection, answer)

    def invocation_answered(
        self, connection_id: str, invocation_id: str, answer: EventAnswer | ErrorDetail
    ) -> list[Effect]:
        """Pass on the app's answer to an invocation."""
        return self._invocations.answered(connection_id, invocation_id, answer)

    def stream_idle(self, connection_id: str, stream_id: str) -> list[Effect]:
        """Close a stream that was idle for its timeout, if it is still open."""
        return self._streams.idle(connection_id, stream_id)

    def client_recovered(self, connection_id: str, reconnection_token: str) -> list[Effect]:
        """Continue a connection of `recovery.candidate` on a new socket.

        A client that has streams gets the frame `connected` again, because npm's client goes on
        with its streams only then. Client-spec (1.2) allows the frame. Other clients get none, as
        at Microsoft's emulator.
        """
        connection = self.connections.get(connection_id)
        if connection is None or not self._streams.are_used_by(connection):
            return self.recovery.recover(connection_id)
        greeting = _greet(connection, reconnection_token)
        return [*greeting, *self.recovery.recover(connection_id)]

    def client_closed(self, connection_id: str, code: int, reason: str) -> list[Effect]:
        """End the connection after a close frame, once the frames before it are carried out.

        A reliable client that closes with another code than 1000 means to come back.
        """
        connection = self.connections.get(connection_id)
        if connection is None:
            return []
        if code != NORMAL_CLOSURE and connection.unacknowledged is not None:
            return self.recovery.detach(connection)
        reason = reason if code == NORMAL_CLOSURE and reason else ENDED
        if connection.state is State.WAITING:
            connection.held.append(Goodbye(reason))
            return []
        return self.endings.end(connection, reason)

    def client_lost(self, connection_id: str) -> list[Effect]:
        """End or keep the connection of a socket that is gone, also after client_closed."""
        connection = self.connections.get(connection_id)
        if connection is None or connection.is_leaving:
            return []
        if connection.unacknowledged is not None:
            return self.recovery.detach(connection)
        return self.endings.end(connection, ENDED)

    def client_dropped(self, connection_id: str, reason: str = ENDED) -> list[Effect]:
        """End a connection that the caller gave up: a WebSocket violation, or a slow client."""
        connection = self.connections.get(connection_id)
        return [] if connection is None else self.endings.end(connection, reason)

    def forget_everyone(self) -> None:
        """Forget every connection, without any event."""
        self.connections.clear()
        self._invocations.clear()
        self._streams.clear()
        self.group_states.clear()


def _greet(connection: Connection, reconnection_token: str) -> list[Effect]:
    frame = connection.protocol.connected(connection.id, connection.user_id, reconnection_token)
    return [] if frame is None else [Send(connection.id, frame)]
