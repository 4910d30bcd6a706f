"""What clients ask for: joining, leaving, sending, user events, and the answers to them."""

from collections.abc import Callable
from typing import Any, TypeAlias

from webpubsub_emulator.client_protocol import Failure
from webpubsub_emulator.client_requests import (
    ClientRequest,
    FrameError,
    GroupRequest,
    JoinGroup,
    LeaveGroup,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    SetGroupState,
    StateRequest,
    SubscribeGroupState,
    UnsubscribeGroupState,
)
from webpubsub_emulator.connection import Connection, Goodbye, Input, State
from webpubsub_emulator.effects import Ask, Effect, ResumeReading, Send
from webpubsub_emulator.events import EventAnswer
from webpubsub_emulator.hub_endings import Endings
from webpubsub_emulator.hub_group_states import GroupStates
from webpubsub_emulator.hub_memberships import Memberships
from webpubsub_emulator.hub_sending import Sending
from webpubsub_emulator.messages import Frame
from webpubsub_emulator.permissions import forbidden_text

_ACKNOWLEDGED = (
    *(SendToGroup, SendEvent, JoinGroup, LeaveGroup),
    *(SetGroupState, SubscribeGroupState, UnsubscribeGroupState),
)
# The requests without an ack id. A table, so that the frequent ones find theirs at once.
RequestTable: TypeAlias = dict[type, Callable[[Connection, Any], list[Effect]]]


class _ForbiddenError(Exception):
    """The connection's permissions do not allow the request."""


class Requests:
    """Carries out the requests of clients of one hub."""

    def __init__(
        self,
        memberships: Memberships,
        sending: Sending,
        endings: Endings,
        states: GroupStates,
        others: RequestTable,
    ) -> None:
        self._memberships = memberships
        self._sending = sending
        self._endings = endings
        self._states = states
        self._unacknowledged: RequestTable = {Ping: _answer_ping, SequenceAck: _release, **others}

    def read(self, connection: Connection, frame: Frame) -> list[Effect]:
        """Carry out what a frame of an open connection asks for."""
        try:
            request = connection.protocol.read(frame, connection.mode)
        except FrameError as error:
            return self._endings.fail(connection, error.code, str(error))
        return self._carry_out(connection, request)

    def answered(self, connection: Connection, answer: EventAnswer | None) -> list[Effect]:
        """Pass on the app's answer to the pending user event; None means that the event failed.

        Then carry out what was held meanwhile, up to the next user event.
        """
        request, connection.pending = connection.pending, None
        if request is None:
            return []
        connection.move(Input.ANSWERED)
        if answer is None:
            text = "Internal server error"
            effects = self._fail(connection, request.ack_id, "InternalServerError", text)
        else:
            effects = self._pass_on(connection, request, answer)
        return [*effects, *self._catch_up(connection)]

    def _carry_out(self, connection: Connection, request: ClientRequest) -> list[Effect]:
        if not isinstance(request, _ACKNOWLEDGED):
            return self._unacknowledged[type(request)](connection, request)
        if connection.has_acknowledged(request.ack_id):
            text = f"Message with ack-id: {request.ack_id} has been processed"
            return self._fail(connection, request.ack_id, "Duplicate", text)
        if isinstance(request, SendEvent):
            return _ask(connection, request)
        try:
            effects = self._change_or_publish(connection, request)
        except _ForbiddenError as error:
            return self._fail(connection, request.ack_id, "Forbidden", str(error))
        ack = _acknowledge(connection, request.ack_id)
        # The snapshot comes after the ack (npm's messages.ts: "after a successful subscribe").
        is_subscription = isinstance(request, SubscribeGroupState)
        return [*ack, *effects] if is_subscription else [*effects, *ack]

    def _change_or_publish(self, connection: Connection, request: GroupRequest) -> list[Effect]:
        match request:
            case JoinGroup(group):
                _require(connection.permissions.allow("joinLeaveGroup", group), "join", group)
                return self._memberships.join(connection, group)
            case LeaveGroup(group):
                _require(connection.permissions.allow("joinLeaveGroup", group), "leave", group)
                return self._memberships.leave(connection, group)
            case SendToGroup(group, payload, no_echo):
                _require(connection.permissions.allow("sendToGroup", group), "send to", group)
                return self._sending.publish(connection, group, payload, no_echo)
            case _:
                return self._change_states(connection, request)

    def _change_states(self, connection: Connection, request: StateRequest) -> list[Effect]:
        match request:
            case SetGroupState(group, state):
                allowed = connection.permissions.allow("setGroupState", group)
                _require(allowed, "set a state in", group)
                if group not in connection.groups:
                    # Inferred: a state belongs to a membership.
                    raise _ForbiddenError(f"The client is not in group '{group}'.")
                return self._states.set(connection, group, state)
            case SubscribeGroupState(group):
                allowed = connection.permissions.allow("getGroupState", group)
                _require(allowed, "get the states in", group)
                return self._states.subscribe(connection, group)
            case UnsubscribeGroupState(group):
                return self._states.unsubscribe(connection, group)

    def _pass_on(
        self, connection: Connection, request: SendEvent, answer: EventAnswer
    ) -> list[Effect]:
        if answer.connection_state is not None:
            connection.connection_state = answer.connection_state
        reply = self._sending.reply(connection, answer.payload) if answer.payload else []
        return [*reply, *_acknowledge(connection, request.ack_id)]

    def _fail(
        self, connection: Connection, ack_id: int | None, failure: Failure, text: str
    ) -> list[Effect]:
        closing = connection.protocol.closes_on.get(failure)
        if closing is not None:
            return self._endings.fail(connection, closing.code, closing.reason)
        return _reply(connection, connection.protocol.failure(ack_id, failure, text))

    def _catch_up(self, connection: Connection) -> list[Effect]:
        effects: list[Effect] = []
        was_paused = connection.must_pause
        while connection.held and connection.state is State.OPEN:
            held = connection.held.pop(0)
            if isinstance(held, Goodbye):
                effects += self._endings.end(connection, held.reason)
            else:
                effects += self.read(connection, held)
        if was_paused and not connection.must_pause:
            effects.append(ResumeReading(connection.id))
        return effects


def _answer_ping(connection: Connection, request: Ping) -> list[Effect]:
    return _reply(connection, connection.protocol.pong())


def _release(connection: Connection, request: SequenceAck) -> list[Effect]:
    if connection.unacknowledged is not None:
        connection.unacknowledged.release(request.sequence_id)
    return []


def _ask(connection: Connection, request: SendEvent) -> list[Effect]:
    connection.move(Input.ASKED)
    connection.pending = request
    return [Ask(connection.next_event("user", request.event, request.payload))]


def _acknowledge(connection: Connection, ack_id: int | None) -> list[Effect]:
    connection.remember_ack(ack_id)
    return _reply(connection, connection.protocol.ack(ack_id))


def _reply(connection: Connection, frame: Frame | None) -> list[Effect]:
    return [] if frame is None else [Send(connection.id, frame)]


def _require(allowed: bool, action: str, group: str) -> None:
    if not allowed:
        raise _ForbiddenError(forbidden_text(action, group))
