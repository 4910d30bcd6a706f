"""How connections end: closed by the app, after a violation, or because the client is gone."""

from collections.abc import Callable, Collection, Iterable

from webpubsub_emulator.connection import Connection, Input, State
from webpubsub_emulator.effects import Close, Effect, Notify, Send, Withdraw
from webpubsub_emulator.events import disconnected_payload
from webpubsub_emulator.hub_memberships import Memberships
from webpubsub_emulator.registry import Registry

CLOSED_BY_APP = "Application server closed the connection."
NORMAL_CLOSURE = 1000  # the client does not want to come back (RFC 6455, section 7.4.1)


class Endings:
    """Ends connections of one hub."""

    def __init__(self, connections: Registry, memberships: Memberships) -> None:
        self._connections = connections
        self._memberships = memberships
        # What else ends with a connection. Each function returns its effects.
        self.also: list[Callable[[Connection], list[Effect]]] = []

    def end(self, connection: Connection, reason: str) -> list[Effect]:
        """Forget a connection whose socket is gone or is closed otherwise.

        Inferred: it leaves its groups, and the app gets these events before "disconnected".
        """
        connection.move(Input.ENDED)
        groups = sorted(connection.groups)
        # First of all, so that nothing below is sent to this connection.
        self._connections.remove(connection)
        withdrawal = [Withdraw(connection.id)] if connection.pending else []
        also = [effect for end in self.also for effect in end(connection)]
        left = [effect for group in groups for effect in self._memberships.left(connection, group)]
        event = connection.next_event("sys", "disconnected", disconnected_payload(reason))
        return [*withdrawal, *also, *left, Notify(event)]

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
        effects: list[Effect] = []
        # A list, because each connection that ends leaves the registry. One end may cause others.
        for connection in [one for one in connections if one.id not in excluded]:
            if connection.state is not State.CLOSED:
                effects += self._close(connection, reason)
        return effects

    def _close(self, connection: Connection, reason: str) -> list[Effect]:
        message = f"{CLOSED_BY_APP} Reason: {reason}" if reason else CLOSED_BY_APP
        # Not as the close reason, which has room for 123 bytes only.
        frame = connection.protocol.disconnected(message)
        goodbye: list[Effect] = [] if frame is None else [Send(connection.id, frame)]
        closing = Close(connection.id, NORMAL_CLOSURE)
        return [*goodbye, closing, *self.end(connection, message)]
