"""How connections end: closed by the app, after a violation, or because the client is gone."""

from collections.abc import Callable, Collection, Iterable

from webpubsub_emulator.connection import Connection, Input
from webpubsub_emulator.effects import Close, Effect, Notify, Send, Withdraw
from webpubsub_emulator.events import disconnected_payload
from webpubsub_emulator.registry import Registry

CLOSED_BY_APP = "Application server closed the connection."
NORMAL_CLOSURE = 1000  # the client does not want to come back (RFC 6455, section 7.4.1)


class Endings:
    """Ends connections of one hub."""

    def __init__(self, connections: Registry) -> None:
        self._connections = connections
        # What else ends with a connection. Each function returns its effects.
        self.also: list[Callable[[Connection], list[Effect]]] = []

    def end(self, connection: Connection, reason: str) -> list[Effect]:
        """Forget a connection whose socket is gone or is closed otherwise."""
        connection.move(Input.ENDED)
        self._connections.remove(connection)
        event = connection.next_event("sys", "disconnected", disconnected_payload(reason))
        withdrawal = [Withdraw(connection.id)] if connection.pending else []
        also = [effect for end in self.also for effect in end(connection)]
        return [*withdrawal, *also, Notify(event)]

    def fail(self, connection: Connection, code: int, text: str) -> list[Effect]:
        """Close a connection for a reason that lies in the connection."""
        return [Close(connection.id, code, text), *self.end(connection, text)]

    def close(self, connection_id: str, reason: str) -> list[Effect]:
        """Close a connection for the app, if it exists. The reason may be empty."""
        connection = self._connections.find(connection_id)
        return [] if connection is None else self._close(connection, reason)

    def close_all(self, reason: str, excluded: Collection[str]) -> list[Effect]:
        """Close every connection for the app. `excluded` are connection ids, here and below."""
        return self._close_each(self._connections.everyone(), reason, excluded)

    def close_group(self, group: str, reason: str, excluded: Collection[str]) -> list[Effect]:
        """Close a group's connections for the app."""
        return self._close_each(self._connections.members(group), reason, excluded)

    def close_user(self, user_id: str, reason: str, excluded: Collection[str]) -> list[Effect]:
        """Close a user's connections for the app."""
        return self._close_each(self._connections.of_user(user_id), reason, excluded)

    def _close_each(
        self, connections: Iterable[Connection], reason: str, excluded: Collection[str]
    ) -> list[Effect]:
        # A list, because each connection that ends leaves the registry.
        leaving = [connection for connection in connections if connection.id not in excluded]
        return [effect for one in leaving for effect in self._close(one, reason)]

    def _close(self, connection: Connection, reason: str) -> list[Effect]:
        message = f"{CLOSED_BY_APP} Reason: {reason}" if reason else CLOSED_BY_APP
        # Not as the close reason, which has room for 123 bytes only.
        frame = connection.protocol.disconnected(message)
        goodbye: list[Effect] = [] if frame is None else [Send(connection.id, frame)]
        closing = Close(connection.id, NORMAL_CLOSURE)
        return [*goodbye, closing, *self.end(connection, message)]
