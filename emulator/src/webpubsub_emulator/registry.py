"""A hub's connections, by id, by group and by user. Nothing is sent from here."""

from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

from webpubsub_emulator.connection import Connection
from webpubsub_emulator.filters import Filter, Subject

_Index: TypeAlias = dict[str, dict[str, Connection]]

# Called with the group, the connection, and whether it joined or left.
Watch: TypeAlias = Callable[[str, Connection, bool], None]


class Registry:
    """The connections that can be addressed, and their memberships.

    `watch` is called before each change of a membership, except by `clear`.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        self._watch = watch
        self._connections: dict[str, Connection] = {}
        self._groups: _Index = {}
        self._users: _Index = {}
        self._hidden: set[str] = set()

    def get(self, connection_id: str) -> Connection | None:
        """Return the connection with this id, hidden or not."""
        return self._connections.get(connection_id)

    def find(self, connection_id: str) -> Connection | None:
        """Return the connection with this id, unless it is hidden."""
        return None if connection_id in self._hidden else self.get(connection_id)

    def everyone(self) -> Collection[Connection]:
        """Return all connections, hidden ones included."""
        return self._connections.values()

    def members(self, group: str) -> Collection[Connection]:
        """Return the group's connections, hidden ones included."""
        return self._groups.get(group, {}).values()

    def of_user(self, user_id: str) -> Collection[Connection]:
        """Return the user's connections that are not hidden."""
        found = self._users.get(user_id, {})
        if self._hidden:
            return [one for one in found.values() if one.id not in self._hidden]
        return found.values()

    def hide(self, connection_id: str) -> None:
        """Hide a connection from `find` and `of_user` until `reveal` (fault late-visibility)."""
        self._hidden.add(connection_id)

    def reveal(self, connection_id: str) -> None:
        """Undo `hide`. The connection may have ended or may not be hidden."""
        self._hidden.discard(connection_id)

    def add(self, connection: Connection) -> None:
        """Make a connection addressable."""
        self._connections[connection.id] = connection
        if connection.user_id is not None:
            self._users.setdefault(connection.user_id, {})[connection.id] = connection

    def remove(self, connection: Connection) -> None:
        """Forget a connection and its memberships."""
        del self._connections[connection.id]
        self.reveal(connection.id)
        self.leave_all(connection)
        if connection.user_id is not None:
            _remove_entry(self._users, connection.user_id, connection)

    def clear(self) -> None:
        """Forget every connection, without any event."""
        for collection in (self._connections, self._groups, self._users, self._hidden):
            collection.clear()

    def join(self, connection: Connection, group: str) -> None:
        """Make the connection a member, if it is not one yet."""
        if group in connection.groups:
            return
        self._report(group, connection, is_join=True)
        connection.groups.add(group)
        self._groups.setdefault(group, {})[connection.id] = connection

    def leave(self, connection: Connection, group: str) -> None:
        """End a membership, if there is one."""
        if group not in connection.groups:
            return
        self._report(group, connection, is_join=False)
        connection.groups.discard(group)
        _remove_entry(self._groups, group, connection)

    def leave_all(self, connection: Connection) -> None:
        """End all of the connection's memberships."""
        for group in tuple(connection.groups):
            self.leave(connection, group)

    def _report(self, group: str, connection: Connection, *, is_join: bool) -> None:
        if self._watch is not None:
            self._watch(group, connection, is_join)


def matching(connections: Iterable[Connection], where: Filter | None) -> list[Connection]:
    """Return the connections that the filter matches. Raises FilterError as `Filter.matches`."""
    if where is None:
        return list(connections)
    return [connection for connection in connections if where.matches(_subject(connection))]


def _subject(connection: Connection) -> Subject:
    return Subject(
        connection.user_id, connection.id, connection.groups, protocol=connection.subprotocol
    )


def _remove_entry(index: _Index, key: str, connection: Connection) -> None:
    entry = index.get(key, {})
    entry.pop(connection.id, None)
    # Otherwise the empty entries of groups and users would pile up.
    if not entry:
        index.pop(key, None)
