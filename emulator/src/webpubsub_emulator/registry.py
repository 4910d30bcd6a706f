"""A hub's connections, by id, by group and by user. Nothing is sent from here."""

from collections.abc import Collection, Iterable

from webpubsub_emulator.connection import Connection
from webpubsub_emulator.filters import Filter, Subject

_Index = dict[str, dict[str, Connection]]


class Registry:
    """The connections that can be addressed, and their memberships."""

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}
        self._groups: _Index = {}
        self._users: _Index = {}
        self._hidden: set[str] = set()

    def get(self, connection_id: str) -> Connection | None:
        """The connection of that id."""
        return self._connections.get(connection_id)

    def find(self, connection_id: str) -> Connection | None:
        """The connection of that id, unless it is hidden."""
        return None if connection_id in self._hidden else self.get(connection_id)

    def everyone(self) -> Collection[Connection]:
        """All connections."""
        return self._connections.values()

    def members(self, group: str) -> Collection[Connection]:
        """The group's connections; none for a group that does not exist."""
        return self._groups.get(group, {}).values()

    def of_user(self, user_id: str) -> Collection[Connection]:
        """The user's connections that are not hidden; none for a user who has none."""
        found = self._users.get(user_id, {})
        if self._hidden:
            return [one for one in found.values() if one.id not in self._hidden]
        return found.values()

    def hide(self, connection_id: str) -> None:
        """Neither `find` nor `of_user` gives this connection, until `reveal`."""
        self._hidden.add(connection_id)

    def reveal(self, connection_id: str) -> None:
        """End the effect of `hide`, if there is one."""
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
            _take_out(self._users, connection.user_id, connection)

    def join(self, connection: Connection, group: str) -> None:
        """Make the connection a member; joining twice is joining once."""
        connection.groups.add(group)
        self._groups.setdefault(group, {})[connection.id] = connection

    def leave(self, connection: Connection, group: str) -> None:
        """End a membership, if there is one."""
        connection.groups.discard(group)
        _take_out(self._groups, group, connection)

    def leave_all(self, connection: Connection) -> None:
        """End all of the connection's memberships."""
        for group in tuple(connection.groups):
            self.leave(connection, group)


def matching(connections: Iterable[Connection], where: Filter | None) -> list[Connection]:
    """Those that a filter means, or all; FilterError as in `Filter.matches`."""
    if where is None:
        return list(connections)
    return [connection for connection in connections if where.matches(_subject(connection))]


def _subject(connection: Connection) -> Subject:
    return Subject(
        connection.user_id, connection.id, connection.groups, protocol=connection.subprotocol
    )


def _take_out(index: _Index, key: str, connection: Connection) -> None:
    """Empty entries go, too, so that they do not pile up."""
    entry = index.get(key, {})
    entry.pop(connection.id, None)
    if not entry:
        index.pop(key, None)
