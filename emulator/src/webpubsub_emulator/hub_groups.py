"""Memberships, as REST calls change them: of a connection, a user, or all that a filter matches."""

from collections.abc import Collection

from webpubsub_emulator.connection import Connection
from webpubsub_emulator.filters import Filter
from webpubsub_emulator.permissions import Permissions
from webpubsub_emulator.registry import Registry, matching


class Groups:
    """The groups of one hub. A group exists while it has a member."""

    def __init__(self, connections: Registry) -> None:
        self._connections = connections

    def exists(self, group: str) -> bool:
        return bool(self._connections.members(group))

    def members(self, group: str) -> list[Connection]:
        """Return the group's connections, sorted by connection id."""
        return sorted(self._connections.members(group), key=lambda member: member.id)

    def permissions(self, connection_id: str) -> Permissions | None:
        """Return what a connection may do with groups, to read and to change."""
        connection = self._connections.find(connection_id)
        return None if connection is None else connection.permissions

    def add(self, connection_id: str, group: str) -> bool:
        """Make the connection a member. Return false if there is no such connection."""
        connection = self._connections.find(connection_id)
        if connection is None:
            return False
        self._connections.join(connection, group)
        return True

    def remove(self, connection_id: str, group: str) -> None:
        """End a membership, if there is one."""
        connection = self._connections.find(connection_id)
        if connection is not None:
            self._connections.leave(connection, group)

    def remove_from_all(self, connection_id: str) -> None:
        """End all memberships of a connection, if it exists."""
        connection = self._connections.find(connection_id)
        if connection is not None:
            self._connections.leave_all(connection)

    def add_user(self, user_id: str, group: str) -> bool:
        """Make the user's present connections members. Return false if there are none."""
        connections = self._connections.of_user(user_id)
        for connection in connections:
            self._connections.join(connection, group)
        return bool(connections)

    def remove_user(self, user_id: str, group: str) -> None:
        """End the membership of each of the user's connections."""
        for connection in self._connections.of_user(user_id):
            self._connections.leave(connection, group)

    def remove_user_from_all(self, user_id: str) -> None:
        """End all memberships of the user's connections."""
        for connection in self._connections.of_user(user_id):
            self._connections.leave_all(connection)

    def add_matching(self, groups: Collection[str], where: Filter | None) -> None:
        """Make every matching connection a member of all these groups.

        Raises FilterError before any membership changes, as `remove_matching` does.
        """
        for connection in matching(self._connections.everyone(), where):
            for group in groups:
                self._connections.join(connection, group)

    def remove_matching(self, groups: Collection[str], where: Filter | None) -> None:
        """End the memberships of every matching connection in these groups."""
        for connection in matching(self._connections.everyone(), where):
            for group in groups:
                self._connections.leave(connection, group)
