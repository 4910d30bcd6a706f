"""Reliable clients that lose their socket, and come back or not (client-spec, "Reliable")."""

from webpubsub_emulator.connection import Connection
from webpubsub_emulator.effects import Effect, PauseReading, Retain, Send
from webpubsub_emulator.hub_endings import Endings
from webpubsub_emulator.registry import Registry

EXPIRED = "The connection recovery timeout expired."


class Recovery:
    """Keeps connections of one hub without a socket, until they recover or expire."""

    def __init__(self, connections: Registry, endings: Endings) -> None:
        self._connections = connections
        self._endings = endings

    def candidate(self, connection_id: str) -> Connection | None:
        """Return the connection if it can be recovered, whether it has a socket or not."""
        connection = self._connections.get(connection_id)
        if connection is None or connection.unacknowledged is None or connection.is_leaving:
            return None
        return connection

    def detach(self, connection: Connection) -> list[Effect]:
        """Keep a connection that lost its socket; it still waits for an answer of the app."""
        if not connection.is_attached:
            return []
        connection.is_attached = False
        connection.drop += 1
        return [Retain(connection.hub, connection.id, connection.drop)]

    def recover(self, connection_id: str) -> list[Effect]:
        """Continue a `candidate` on a new socket, also if it still has an earlier one.

        The messages that the client did not acknowledge are sent again.
        """
        connection = self._connections.get(connection_id)
        if connection is None or connection.unacknowledged is None:
            return []
        connection.is_attached = True
        replay = [Send(connection.id, frame) for frame in connection.unacknowledged.frames()]
        pause = [PauseReading(connection.id)] if connection.must_pause else []
        return [*replay, *pause]

    def expire(self, connection_id: str, drop: int) -> list[Effect]:
        """End a connection that did not recover from this drop within the retention time."""
        connection = self._connections.get(connection_id)
        if connection is None or connection.is_attached or connection.drop != drop:
            return []
        return self._endings.end(connection, EXPIRED)
