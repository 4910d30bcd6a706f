"""Presence messages: what the service's list of a group says about its users at a moment.

A message states what is true, not what happened, so that doubled, lost and reordered messages
repair themselves. Clients merge it with the rules of docs/presence.md.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from usher.service.group_list import GroupList

_MODULUS = 2**32
_GOLDEN_RATIO = 0x9E3779B9  # spreads the counts over 32 bits


@dataclass(frozen=True, slots=True)
class Change:
    """A connection joined a group, or left it. `user` is empty for a connection without a user.

    `at` is the service's time of the event, if it is known. `misses` counts the lists that did not
    show the change. `is_removal` says that the app took the connection out.
    """

    connection_id: str
    user: str
    is_join: bool
    at: datetime | None = None
    misses: int = 0
    is_removal: bool = False

    def is_shown(self, listed: GroupList) -> bool:
        """Return whether the list shows the change; if not, the list is stale."""
        is_listed = self.connection_id in listed.connections
        if self.is_join:
            return is_listed or listed.truncated  # it can be beyond what was read
        # Within one second, clients prefer a list that still has the connection.
        return not is_listed and (self.at is None or listed.as_of > self.at)

    def supersedes(self, earlier: Self) -> bool:
        """Return whether this change makes an earlier one, which still waits, needless.

        A leave ends the join of its connection. A user's next change announces the earlier leaves:
        a join at once, a leave after a grace of its own. Connections without a user are many
        people, whose leaves must not wait for each other. A removal has no grace, so it does not
        wait for the leave of a client that closes because of it.
        """
        if earlier.is_join:
            return not self.is_join and earlier.connection_id == self.connection_id
        may_wait = bool(self.user) and (self.is_removal or not earlier.is_removal)
        return earlier.user == self.user and (self.is_join or may_wait)


def correct(listed: GroupList, changes: Iterable[Change]) -> GroupList:
    """Return the list as it is when it shows these changes."""
    connections = dict(listed.connections)
    for change in changes:
        if change.is_join:
            connections[change.connection_id] = change.user
        else:
            connections.pop(change.connection_id, None)
    return GroupList(listed.as_of, connections, listed.truncated)


def count_connections(listed: GroupList) -> dict[str, int]:
    """Return the users of a list, each with the number of its connections."""
    return dict(Counter(listed.connections.values()))


def write_snapshot(group: str, listed: GroupList, names: Iterable[str] = ()) -> dict[str, Any]:
    """Return the message that has all users of a list, and which of these names are gone."""
    users = count_connections(listed)
    return _write(group, listed, users, users, sorted({*names} - users.keys()), is_snapshot=True)


def write_changes(group: str, listed: GroupList, names: Iterable[str]) -> dict[str, Any]:
    """Return the message that says how many connections these users have, or that they are gone."""
    users = count_connections(listed)
    present = {name: users[name] for name in sorted(names) if name in users}
    gone = sorted({*names} - users.keys())
    return _write(group, listed, users, present, gone, is_snapshot=False)


def _write(
    group: str,
    listed: GroupList,
    users: Mapping[str, int],
    named: Mapping[str, int],
    gone: list[str],
    *,
    is_snapshot: bool,
) -> dict[str, Any]:
    return {
        "type": "presence",
        "group": group,
        "asOf": format_as_of(listed.as_of),
        "users": named,
        "gone": gone,
        "count": None if listed.truncated else len(users),
        "checksum": None if listed.truncated else checksum(users),
        "truncated": listed.truncated,
        "snapshot": is_snapshot,
    }


def format_as_of(moment: datetime) -> str:
    """Return a moment of UTC in whole seconds, so that such texts compare like the moments."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def checksum(users: Mapping[str, int]) -> str:
    """Return 8 hexadecimal digits that depend on the users and their connections, in any order."""
    total = sum(_mix(zlib.crc32(name.encode()) + n * _GOLDEN_RATIO) for name, n in users.items())
    return f"{total % _MODULUS:08x}"


def _mix(number: int) -> int:
    """Return the 32 bits of murmur3's finalizer, because sums of CRCs would hide swaps."""
    number %= _MODULUS
    number = (number ^ number >> 16) * 0x85EBCA6B % _MODULUS
    number = (number ^ number >> 13) * 0xC2B2AE35 % _MODULUS
    return number ^ number >> 16
