"""One hub without I/O: inputs from clients, the app and REST calls in, effects out.

No await, no aiohttp, no clock and no random number here.
"""

from collections.abc import Collection, Iterable

from webpubsub_emulator.client_modes import PublishMode
from webpubsub_emulator.connection import Connection, Goodbye, Input, State
from webpubsub_emulator.effects import (
    Ask,
    Close,
    Effect,
    Notify,
    PauseReading,
    ResumeReading,
    Retain,
    Send,
    Withdraw,
)
from webpubsub_emulator.events import (
    ConnectAnswer,
    Event,
    EventAnswer,
    Handshake,
    connect_payload,
    connected_payload,
    disconnected_payload,
)
from webpubsub_emulator.filters import Filter
from webpubsub_emulator.messages import (
    ClientFrame,
    Frame,
    FrameError,
    JoinGroup,
    LeaveGroup,
    Payload,
    Ping,
    Protocol,
    SendEvent,
    SendToGroup,
    SequenceAck,
    parse_frame,
)
from webpubsub_emulator.outgoing import (
    AckError,
    OutgoingMessage,
    ack_frame,
    connected_frame,
    disconnected_frame,
    group_message,
    pong_frame,
    server_message,
)
from webpubsub_emulator.permissions import Permissions
from webpubsub_emulator.registry import Registry, matching

HELD_FRAMES = 16
"""How many frames are read ahead while a user event waits for the app's answer."""

CLOSED_BY_APP = "Application server closed the connection."
ENDED = "The connection ended."
EXPIRED = "The connection recovery timeout expired."
FORBIDDEN = "The client does not have permission to send to the group."
BUFFER_FULL = "The reliable message buffer is full."
NORMAL_CLOSURE = 1000
"""The close code of a client that does not want to come back (RFC 6455, section 7.4.1)."""


class _ForbiddenError(Exception):
    """The connection's roles do not allow what it asked for."""


class Hub:
    """The connections and groups of one hub.

    Every input returns the effects that it has. The caller carries them out in their order,
    before it gives the hub another input. An input for a connection that has ended has none:
    answers and frames may arrive late. But once a connection is recovered, nothing may come
    from its earlier socket.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._arriving: dict[str, tuple[Connection, Handshake]] = {}
        self._registry = Registry()

    # A client's life.

    def client_arrived(self, handshake: Handshake, mode: PublishMode | None = None) -> Event:
        """A client with a good token asks to connect. Returns the connect event.

        Exactly one of client_opened and client_refused must follow. Until then the connection
        cannot be addressed.
        """
        connection = Connection(self.name, handshake.connection_id, mode)
        self._arriving[connection.id] = (connection, handshake)
        # The connect event carries the token's user; what the app answers comes later.
        connection.user_id = handshake.user_id
        return connection.next_event("sys", "connect", connect_payload(handshake))

    def client_refused(self, connection_id: str) -> None:
        """The app or the service turned the client away."""
        connection, _ = self._arriving.pop(connection_id)
        connection.move(Input.REFUSED)

    def client_opened(
        self, connection_id: str, answer: ConnectAnswer, reconnection_token: str
    ) -> list[Effect]:
        """The client may come in; from here on it can be addressed."""
        connection, handshake = self._arriving.pop(connection_id)
        connection.move(Input.OPENED)
        connection.accept(handshake, answer)
        self._registry.add(connection)
        for group in answer.groups or handshake.groups:
            self._registry.join(connection, group)
        connected = connection.next_event("sys", "connected", connected_payload())
        return [*_greet(connection, reconnection_token), Notify(connected)]

    def client_sent(self, connection_id: str, frame: Frame) -> list[Effect]:
        """A whole WebSocket message came from the client."""
        connection = self._registry.get(connection_id)
        if connection is None:
            return []
        if connection.state is State.WAITING:
            connection.held.append(frame)
            return _pause(connection)
        return self._read(connection, frame)

    def event_answered(self, connection_id: str, answer: EventAnswer | None) -> list[Effect]:
        """The app answered the pending user event, or failed to (None)."""
        connection = self._registry.get(connection_id)
        if connection is None or connection.pending is None:
            return []
        request, connection.pending = connection.pending, None
        connection.move(Input.ANSWERED)
        if answer is None:
            effects = self._event_failed(connection, request)
        else:
            effects = self._event_handled(connection, request, answer)
        return [*effects, *self._catch_up(connection)]

    def client_closed(self, connection_id: str, code: int, reason: str) -> list[Effect]:
        """The client sent a close frame; what it sent before is still carried out.

        A reliable client that closes with another code than 1000 means to come back.
        """
        connection = self._registry.get(connection_id)
        if connection is None:
            return []
        if code != NORMAL_CLOSURE and connection.unacknowledged is not None:
            return self._detach(connection)
        reason = reason if code == NORMAL_CLOSURE and reason else ENDED
        if connection.state is State.WAITING:
            connection.held.append(Goodbye(reason))
            return []
        return self._end(connection, reason)

    def client_lost(self, connection_id: str) -> list[Effect]:
        """The client's socket is gone, without a close frame unless client_closed came first."""
        connection = self._registry.get(connection_id)
        if connection is None or connection.is_leaving:
            return []
        if connection.unacknowledged is not None:
            return self._detach(connection)
        return self._end(connection, ENDED)

    def client_dropped(self, connection_id: str, reason: str = ENDED) -> list[Effect]:
        """The caller gave the client up: it broke the WebSocket protocol, or is too slow."""
        connection = self._registry.get(connection_id)
        return [] if connection is None else self._end(connection, reason)

    def recoverable(self, connection_id: str) -> Connection | None:
        """The reliable connection of that id, with or without a socket; None if it has ended."""
        connection = self._registry.get(connection_id)
        if connection is None or connection.unacknowledged is None or connection.is_leaving:
            return None
        return connection

    def client_recovered(self, connection_id: str) -> list[Effect]:
        """A new socket takes the place of the lost or present one of a `recoverable` connection.

        What the client did not acknowledge comes again (client-spec, "Reliable").
        """
        connection = self._registry.get(connection_id)
        if connection is None or connection.unacknowledged is None:
            return []
        connection.is_attached = True
        replay = [Send(connection.id, frame) for frame in connection.unacknowledged.frames()]
        return [*replay, *_pause(connection)]

    def retention_expired(self, connection_id: str, drop: int) -> list[Effect]:
        """The time to recover from that drop is over."""
        connection = self._registry.get(connection_id)
        if connection is None or connection.is_attached or connection.drop != drop:
            return []
        return self._end(connection, EXPIRED)

    def connection(self, connection_id: str) -> Connection | None:
        """The connection of that id, to look at."""
        return self._registry.get(connection_id)

    def connections(self) -> list[Connection]:
        """All connections by id, to look at."""
        return sorted(self._registry.everyone(), key=lambda connection: connection.id)

    # Faults.

    def hide(self, connection_id: str) -> None:
        """REST calls that name this connection or its user do not find it, until `reveal`.

        It gets what goes to its groups and to the whole hub, and is listed there.
        """
        self._registry.hide(connection_id)

    def reveal(self, connection_id: str) -> None:
        """The end of `hide`, also for a connection that has ended."""
        self._registry.reveal(connection_id)

    def forget_all(self) -> None:
        """Every connection is gone, and nobody is told. Clients that are arriving go on."""
        self._registry = Registry()

    # REST calls.

    def has_connection(self, connection_id: str) -> bool:
        """Whether there is a connection of that id."""
        return self._registry.find(connection_id) is not None

    def has_user(self, user_id: str) -> bool:
        """Whether the user has a connection."""
        return bool(self._registry.of_user(user_id))

    def has_group(self, group: str) -> bool:
        """Whether the group has a member."""
        return bool(self._registry.members(group))

    def members(self, group: str) -> list[Connection]:
        """The group's connections, by connection id."""
        return sorted(self._registry.members(group), key=lambda member: member.id)

    def add_to_group(self, connection_id: str, group: str) -> bool:
        """Make the connection a member; false if there is no such connection."""
        connection = self._registry.find(connection_id)
        if connection is None:
            return False
        self._registry.join(connection, group)
        return True

    def remove_from_group(self, connection_id: str, group: str) -> None:
        """End a membership, if there is one."""
        connection = self._registry.find(connection_id)
        if connection is not None:
            self._registry.leave(connection, group)

    def remove_from_all_groups(self, connection_id: str) -> None:
        """End all memberships of a connection, if there is one."""
        connection = self._registry.find(connection_id)
        if connection is not None:
            self._registry.leave_all(connection)

    def add_user_to_group(self, user_id: str, group: str) -> bool:
        """Make the user's connections of now members; false if there are none."""
        connections = self._registry.of_user(user_id)
        for connection in connections:
            self._registry.join(connection, group)
        return bool(connections)

    def remove_user_from_group(self, user_id: str, group: str) -> None:
        """End the membership of each of the user's connections."""
        for connection in self._registry.of_user(user_id):
            self._registry.leave(connection, group)

    def remove_user_from_all_groups(self, user_id: str) -> None:
        """End all memberships of the user's connections."""
        for connection in self._registry.of_user(user_id):
            self._registry.leave_all(connection)

    def add_to_groups(self, groups: Collection[str], where: Filter | None) -> None:
        """Make every connection that the filter means a member of all these groups.

        Here and below, a FilterError is raised before anything is changed or sent.
        """
        for connection in matching(self._registry.everyone(), where):
            for group in groups:
                self._registry.join(connection, group)

    def remove_from_groups(self, groups: Collection[str], where: Filter | None) -> None:
        """End the memberships in these groups of every connection that the filter means."""
        for connection in matching(self._registry.everyone(), where):
            for group in groups:
                self._registry.leave(connection, group)

    def permissions(self, connection_id: str) -> Permissions | None:
        """What the connection of that id may do, to look at and to change."""
        connection = self._registry.find(connection_id)
        return None if connection is None else connection.permissions

    def send_to_all(
        self, payload: Payload, excluded: Collection[str], where: Filter | None = None
    ) -> list[Effect]:
        """Send from the app to every connection."""
        receivers = matching(self._registry.everyone(), where)
        return self._send(server_message(payload), receivers, excluded)

    def send_to_group(
        self, group: str, payload: Payload, excluded: Collection[str], where: Filter | None = None
    ) -> list[Effect]:
        """Send from the app to a group."""
        receivers = matching(self._registry.members(group), where)
        return self._send(group_message(group, None, payload), receivers, excluded)

    def send_to_user(
        self, user_id: str, payload: Payload, where: Filter | None = None
    ) -> list[Effect]:
        """Send from the app to every connection of a user."""
        receivers = matching(self._registry.of_user(user_id), where)
        return self._send(server_message(payload), receivers)

    def send_to_connection(self, connection_id: str, payload: Payload) -> list[Effect]:
        """Send from the app to one connection."""
        connection = self._registry.find(connection_id)
        return self._send(server_message(payload), [connection] if connection else [])

    def close_connection(self, connection_id: str, reason: str) -> list[Effect]:
        """Close a connection, if there is one. The reason may be empty."""
        connection = self._registry.find(connection_id)
        return [] if connection is None else self._dismiss(connection, reason)

    def close_all(self, reason: str, excluded: Collection[str]) -> list[Effect]:
        """Close every connection."""
        return self._dismiss_each(self._registry.everyone(), reason, excluded)

    def close_group(self, group: str, reason: str, excluded: Collection[str]) -> list[Effect]:
        """Close the group's connections."""
        return self._dismiss_each(self._registry.members(group), reason, excluded)

    def close_user(self, user_id: str, reason: str, excluded: Collection[str]) -> list[Effect]:
        """Close the user's connections."""
        return self._dismiss_each(self._registry.of_user(user_id), reason, excluded)

    def _dismiss_each(
        self, connections: Iterable[Connection], reason: str, excluded: Collection[str]
    ) -> list[Effect]:
        # A list of its own, since each one that ends leaves the registry.
        leaving = [connection for connection in connections if connection.id not in excluded]
        return [effect for one in leaving for effect in self._dismiss(one, reason)]

    def _dismiss(self, connection: Connection, reason: str) -> list[Effect]:
        message = f"{CLOSED_BY_APP} Reason: {reason}" if reason else CLOSED_BY_APP
        # The reason travels in the frame only: a close frame has room for 123 bytes.
        goodbye: list[Effect] = []
        if connection.protocol is not Protocol.SIMPLE:
            goodbye = [Send(connection.id, disconnected_frame(message))]
        return [*goodbye, Close(connection.id, 1000), *self._end(connection, message)]

    # What a client's frames do.

    def _read(self, connection: Connection, frame: Frame) -> list[Effect]:
        if connection.protocol is Protocol.SIMPLE:
            return self._read_bare(connection, frame)
        if not frame.is_text:
            return self._fail(connection, 1003, "The JSON subprotocol requires text messages.")
        try:
            return self._obey(connection, parse_frame(frame.data.decode()))
        except FrameError as error:
            return self._fail(connection, 1007, str(error))

    def _read_bare(self, connection: Connection, frame: Frame) -> list[Effect]:
        payload = Payload("text" if frame.is_text else "binary", frame.data)
        mode = connection.mode
        if mode is None:
            return self._ask(connection, SendEvent("message", payload, ack_id=None))
        request = SendToGroup(mode.group, payload, mode.no_echo, ack_id=None)
        try:
            return self._change_or_publish(connection, request)
        except _ForbiddenError:
            # Its text has the group's name and may be too long for a close frame.
            return self._fail(connection, 1008, FORBIDDEN)

    def _obey(self, connection: Connection, request: ClientFrame) -> list[Effect]:
        match request:
            case Ping():
                return [Send(connection.id, pong_frame())]
            case SequenceAck(sequence_id):
                if connection.unacknowledged is not None:
                    connection.unacknowledged.release(sequence_id)
                return []
        if connection.has_acknowledged(request.ack_id):
            text = f"Message with ack-id: {request.ack_id} has been processed"
            return _refuse(connection, request.ack_id, "Duplicate", text)
        if isinstance(request, SendEvent):
            return self._ask(connection, request)
        try:
            return [
                *self._change_or_publish(connection, request),
                *_ack(connection, request.ack_id),
            ]
        except _ForbiddenError as error:
            return _refuse(connection, request.ack_id, "Forbidden", str(error))

    def _change_or_publish(
        self, connection: Connection, request: JoinGroup | LeaveGroup | SendToGroup
    ) -> list[Effect]:
        match request:
            case JoinGroup(group):
                _require(connection.permissions.allow("joinLeaveGroup", group), "join", group)
                self._registry.join(connection, group)
            case LeaveGroup(group):
                _require(connection.permissions.allow("joinLeaveGroup", group), "leave", group)
                self._registry.leave(connection, group)
            case SendToGroup(group):
                _require(connection.permissions.allow("sendToGroup", group), "send to", group)
                return self._publish(connection, request)
        return []

    def _publish(self, connection: Connection, request: SendToGroup) -> list[Effect]:
        message = group_message(request.group, connection.user_id, request.payload)
        excluded = {connection.id} if request.no_echo else ()
        return self._send(message, self._registry.members(request.group), excluded)

    # User events.

    def _ask(self, connection: Connection, request: SendEvent) -> list[Effect]:
        connection.move(Input.ASKED)
        connection.pending = request
        return [Ask(connection.next_event("user", request.event, request.payload))]

    def _event_handled(
        self, connection: Connection, request: SendEvent, answer: EventAnswer
    ) -> list[Effect]:
        if answer.connection_state is not None:
            connection.connection_state = answer.connection_state
        reply = self._send(server_message(answer.payload), [connection]) if answer.payload else []
        return [*reply, *_ack(connection, request.ack_id)]

    def _event_failed(self, connection: Connection, request: SendEvent) -> list[Effect]:
        # A simple client cannot be told in any other way. A JSON client stays, as the
        # service's clients expect (an ack named InternalServerError).
        if connection.protocol is Protocol.SIMPLE:
            return self._fail(connection, 1011, "Internal server error")
        return _refuse(connection, request.ack_id, "InternalServerError", "Internal server error")

    def _catch_up(self, connection: Connection) -> list[Effect]:
        """Carry out what was held back, up to the next user event."""
        effects: list[Effect] = []
        was_full = len(connection.held) >= HELD_FRAMES
        while connection.held and connection.state is State.OPEN:
            held = connection.held.pop(0)
            if isinstance(held, Goodbye):
                effects += self._end(connection, held.reason)
            else:
                effects += self._read(connection, held)
        if was_full and len(connection.held) < HELD_FRAMES:
            effects.append(ResumeReading(connection.id))
        return effects

    def _send(
        self,
        message: OutgoingMessage,
        receivers: Iterable[Connection],
        excluded: Collection[str] = (),
    ) -> list[Effect]:
        effects: list[Effect] = []
        # A copy: a receiver may end here.
        for receiver in tuple(receivers):
            if receiver.id in excluded:
                continue
            frame = receiver.frame_for(message)
            if receiver.is_overfull:
                effects += self._fail(receiver, 1008, BUFFER_FULL)
            else:
                effects.append(Send(receiver.id, frame))
        return effects

    # The end.

    def _detach(self, connection: Connection) -> list[Effect]:
        """The connection goes on without a socket; also the app's answer is still waited for."""
        if not connection.is_attached:
            return []
        connection.is_attached = False
        connection.drop += 1
        return [Retain(self.name, connection.id, connection.drop)]

    def _fail(self, connection: Connection, code: int, text: str) -> list[Effect]:
        return [Close(connection.id, code, text), *self._end(connection, text)]

    def _end(self, connection: Connection, reason: str) -> list[Effect]:
        connection.move(Input.ENDED)
        self._registry.remove(connection)
        event = connection.next_event("sys", "disconnected", disconnected_payload(reason))
        withdrawal = [Withdraw(connection.id)] if connection.pending else []
        return [*withdrawal, Notify(event)]


def _greet(connection: Connection, reconnection_token: str) -> list[Effect]:
    if connection.protocol is Protocol.SIMPLE:
        return []
    token = reconnection_token if connection.protocol is Protocol.RELIABLE_JSON else None
    return [Send(connection.id, connected_frame(connection.id, connection.user_id, token))]


def _pause(connection: Connection) -> list[Effect]:
    return [PauseReading(connection.id)] if len(connection.held) >= HELD_FRAMES else []


def _ack(connection: Connection, ack_id: int | None) -> list[Effect]:
    connection.remember_ack(ack_id)
    return [] if ack_id is None else [Send(connection.id, ack_frame(ack_id))]


def _refuse(connection: Connection, ack_id: int | None, error: AckError, text: str) -> list[Effect]:
    # Without an ack id the failure is silent (reference-json-webpubsub-subprotocol).
    return [] if ack_id is None else [Send(connection.id, ack_frame(ack_id, error, text))]


def _require(allowed: bool, action: str, group: str) -> None:
    if not allowed:
        text = f"The client does not have permission to {action} group '{group}'."
        raise _ForbiddenError(text)
