"""Invocations: user events whose answer a client gets under an id of its own choice.

The frames are the ones of npm's web-pubsub-client 1.1.0 (README, "Invoke upstream events"). How
the service behaves beyond them is not published, so much here is inferred from user events.
"""

from webpubsub_emulator.client_requests import CancelInvocation, Invoke
from webpubsub_emulator.client_responses import ClientResponse, InvocationError, InvocationResult
from webpubsub_emulator.connection import Connection
from webpubsub_emulator.effects import Ask, Effect, Send, Withdraw
from webpubsub_emulator.events import EventAnswer
from webpubsub_emulator.hub_requests import RequestTable
from webpubsub_emulator.messages import ErrorDetail
from webpubsub_emulator.registry import Registry


class Invocations:
    """The invocations of one hub that the app has not answered yet.

    A connection can have any number of them, and its other requests do not wait for them.
    """

    def __init__(self, connections: Registry) -> None:
        self._connections = connections
        self._pending: dict[str, set[str]] = {}  # connection id to invocation ids

    @property
    def requests(self) -> RequestTable:
        """The requests that this class carries out."""
        return {Invoke: self.invoke, CancelInvocation: self.cancel}

    def invoke(self, connection: Connection, request: Invoke) -> list[Effect]:
        """Ask the app. An id is free again once its invocation is answered or cancelled."""
        invocation_id = request.invocation_id
        pending = self._pending.setdefault(connection.id, set())
        if invocation_id in pending:
            text = "Another invocation with this id is still running."
            error = ErrorDetail("BadRequest", text)
            return _respond(connection, InvocationError(invocation_id, error))
        pending.add(invocation_id)
        event = connection.next_event("user", request.event, request.payload)
        return [Ask(event, invocation_id)]

    def cancel(self, connection: Connection, request: CancelInvocation) -> list[Effect]:
        """Give up an invocation, if it is running. The client gets no answer."""
        if not self._forget(connection.id, request.invocation_id):
            return []
        return [Withdraw(connection.id, request.invocation_id)]

    def answered(
        self, connection_id: str, invocation_id: str, answer: EventAnswer | ErrorDetail
    ) -> list[Effect]:
        """Pass on the app's answer, unless the connection has ended."""
        self._forget(connection_id, invocation_id)
        connection = self._connections.get(connection_id)
        if connection is None:
            return []
        if isinstance(answer, ErrorDetail):
            return _respond(connection, InvocationError(invocation_id, answer))
        if answer.connection_state is not None:
            connection.connection_state = answer.connection_state
        return _respond(connection, InvocationResult(invocation_id, answer.payload))

    def end(self, connection: Connection) -> list[Effect]:
        """Give up the invocations of a connection that ends."""
        pending = self._pending.pop(connection.id, set())
        return [Withdraw(connection.id, invocation_id) for invocation_id in sorted(pending)]

    def clear(self) -> None:
        """Forget every invocation."""
        self._pending.clear()

    def _forget(self, connection_id: str, invocation_id: str) -> bool:
        pending = self._pending.get(connection_id, set())
        is_pending = invocation_id in pending
        pending.discard(invocation_id)
        if not pending:
            self._pending.pop(connection_id, None)
        return is_pending


def _respond(connection: Connection, response: ClientResponse) -> list[Effect]:
    frame = connection.protocol.respond(response)
    return [] if frame is None else [Send(connection.id, frame)]
