"""Presence messages: what the service's list of a group says about its users at a moment.

A message states what is true, not what happened, so that doubled, lost and reordered messages
repair themselves. Clients merge it with the rules of docs/presence.md.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from usher.service.group_list import GroupList

_MODULUS = 2**32
_GOLDEN_RATIO = 0x9E3779B9  # spreads the counts over 32 bits


@dataclass(slots=True)
class Changes:
    """Connections that joined a group or left it, each with its user id; empty without a user.

    `misses` counts the lists that did not show these changes.
    """

    joined: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    misses: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.joined) + len(self.left)

    @property
    def users(self) -> set[str]:
        """The users of these connections."""
        return {*self.joined.values(), *self.left.values()}

    def add(self, other: Self) -> None:
        """Add the changes of another handler."""
        self.joined |= other.joined
        self.left |= other.left
        self.misses |= other.misses

    def take_leaves_of(self, user: str) -> dict[str, str]:
        """Remove the connections of a user that left, and return them."""
        taken = {connection: name for connection, name in self.left.items() if name == user}
        for connection in taken:
            del self.left[connection]
        return taken

    def find_missing(self, listed: GroupList, most_misses: int) -> "Changes":
        """Return the changes that the list does not show, because it is stale.

        A change that was missed `most_misses` times is given up: then the list is right.
        """
        present = listed.connections
        missing = [one for one in self.joined if one not in present and not listed.truncated]
        missing += [one for one in self.left if one in present]
        misses = {one: self.misses.get(one, 0) + 1 for one in missing}
        kept = {one: count for one, count in misses.items() if count <= most_misses}
        joined = {one: user for one, user in self.joined.items() if one in kept}
        return Changes(joined, {one: self.left[one] for one in kept if one in self.left}, kept)

    def correct(self, listed: GroupList, missing: "Changes") -> GroupList:
        """Return the list with the changes that it does not show yet."""
        beyond_page = self.joined if listed.truncated else {}
        connections = {**listed.connections, **beyond_page, **missing.joined}
        for connection in missing.left:
            del connections[connection]
        return GroupList(listed.as_of, connections, listed.truncated)


def count_connections(listed: GroupList) -> dict[str, int]:
    """Return the users of a list, each with the number of its connections."""
    return dict(Counter(listed.connections.values()))


def write_snapshot(group: str, listed: GroupList) -> dict[str, Any]:
    """Return the message that has all users of a list."""
    users = count_connections(listed)
    return _write(group, listed, users, users, [], is_snapshot=True)


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
