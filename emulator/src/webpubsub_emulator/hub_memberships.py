"""Joins and leaves of groups, and the events that the app gets about them."""

from collections.abc import Callable

from webpubsub_emulator.connection import Connection
from webpubsub_emulator.effects import Effect, Notify
from webpubsub_emulator.events import membership_payload
from webpubsub_emulator.registry import Registry


class Memberships:
    """Changes the memberships of one hub. A change that changes nothing has no effects.

    `is_wanted` says whether an event handler takes the event with this name about this group. Other
    events are not made, so that they take no number.
    """

    def __init__(self, connections: Registry) -> None:
        self._connections = connections
        # What else a leave changes. Each function returns its effects.
        self.also_left: list[Callable[[Connection, str], list[Effect]]] = []
        self.is_wanted: Callable[[str, str], bool] = lambda name, group: False

    def join(self, connection: Connection, group: str) -> list[Effect]:
        """Make the connection a member, if it is not one yet."""
        if group in connection.groups:
            return []
        self._connections.join(connection, group)
        return self._notify(connection, "joined", group)

    def leave(self, connection: Connection, group: str) -> list[Effect]:
        """End a membership, if there is one."""
        if group not in connection.groups:
            return []
        self._connections.leave(connection, group)
        return self.left(connection, group)

    def leave_all(self, connection: Connection) -> list[Effect]:
        """End all of the connection's memberships."""
        groups = sorted(connection.groups)
        return [effect for group in groups for effect in self.leave(connection, group)]

    def left(self, connection: Connection, group: str) -> list[Effect]:
        """Return what follows from a membership that has ended."""
        also = [effect for follow in self.also_left for effect in follow(connection, group)]
        return [*also, *self._notify(connection, "left", group)]

    def _notify(self, connection: Connection, name: str, group: str) -> list[Effect]:
        if not self.is_wanted(name, group):
            return []
        return [Notify(connection.next_event("gp", name, membership_payload(group), group))]
