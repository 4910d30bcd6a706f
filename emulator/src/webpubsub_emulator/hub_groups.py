"""Memberships, as REST calls change them: of a connection, a user, or all that a filter matches."""

from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

from webpubsub_emulator.connection import Connection
from webpubsub_emulator.effects import Effect
from webpubsub_emulator.filters import Filter
from webpubsub_emulator.hub_memberships import Memberships
from webpubsub_emulator.permissions import Permissions
from webpubsub_emulator.registry import Registry, matching

_Change: TypeAlias = Callable[[Connection, str], list[Effect]]


class Groups:
    """The groups of one hub. A group exists while it has a member."""

    def __init__(self, connections: Registry, memberships: Memberships) -> None:
        self._connections = connections
        self._memberships = memberships

    def exists(self, group: str) -> bool:
        return bool(self._connections.members(group))

    def members(self, group: str) -> list[Connection]:
        """Return the group's connections, sorted by connection id."""
        return sorted(self._connections.members(group), key=lambda member: member.id)

    def permissions(self, connection_id: str) -> Permissions | None:
        """Return what a connection may do with groups, to read and to change."""
        connection = self._connections.find(connection_id)
        return None if connection is None else connection.permissions

    def add(self, connection_id: str, group: str) -> list[Effect] | None:
        """Make the connection a member. Return None if there is no such connection."""
        connection = self._connections.find(connection_id)
        return None if connection is None else self._memberships.join(connection, group)

    def remove(self, connection_id: str, group: str) -> list[Effect]:
        """End a membership, if there is one."""
        connection = self._connections.find(connection_id)
        return [] if connection is None else self._memberships.leave(connection, group)

    def remove_from_all(self, connection_id: str) -> list[Effect]:
        """End all memberships of a connection, if it exists."""
        connection = self._connections.find(connection_id)
        return [] if connection is None else self._memberships.leave_all(connection)

    def add_user(self, user_id: str, group: str) -> list[Effect] | None:
        """Make the user's present connections members. Return None if there are none."""
        connections = self._connections.of_user(user_id)
        return _each(self._memberships.join, connections, [group]) if connections else None

    def remove_user(self, user_id: str, group: str) -> list[Effect]:
        """End the membership of each of the user's connections."""
        return _each(self._memberships.leave, self._connections.of_user(user_id), [group])

    def remove_user_from_all(self, user_id: str) -> list[Effect]:
        """End all memberships of the user's connections."""
        connections = tuple(self._connections.of_user(user_id))
        return [effect for each in connections for effect in self._memberships.leave_all(each)]

    def add_matching(self, groups: Collection[str], where: Filter | None) -> list[Effect]:
        """Make every matching connection a member of all these groups.

        Raises FilterError before any membership changes, as `remove_matching` does.
        """
        return _each(self._memberships.join, self._matching(where), groups)

    def remove_matching(self, groups: Collection[str], where: Filter | None) -> list[Effect]:
        """End the memberships of every matching connection in these groups."""
        return _each(self._memberships.leave, self._matching(where), groups)

    def _matching(self, where: Filter | None) -> list[Connection]:
        return matching(self._connections.everyone(), where)


def _each(
    change: _Change, connections: Iterable[Connection], groups: Collection[str]
) -> list[Effect]:
    effects: list[Effect] = []
    # A copy, because the effects of a change may end another connection.
    for connection in tuple(connections):
        for group in groups:
            effects += change(connection, group)
    return effects
