"""Lists of connections as they were some time ago (fault stale-list), with a bounded memory."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from webpubsub_emulator.connection import Connection
from webpubsub_emulator.faults import Fault, Faults
from webpubsub_emulator.hub import Hub

# Changes and lists that are remembered while the fault is active. A list that should be older shows
# the oldest moment that is remembered.
ENTRY_LIMIT = 10_000


class Listing(NamedTuple):
    """The connections of a group, sorted by connection id."""

    users: dict[str, str | None]  # connection id -> user id
    as_of: float | None  # the past moment that the list shows; None for the present


class _Moment(NamedTuple):
    entries: int  # the number of entries before the moment
    at: float


@dataclass(frozen=True, slots=True)
class _Change:
    at: float
    key: tuple[str, str]  # hub and group
    connection_id: str
    user_id: str | None
    is_join: bool


@dataclass(frozen=True, slots=True)
class _List:
    at: float
    key: tuple[str, str]
    shown: _Moment


class ListHistory:
    """Remembers what changes in groups from the start of the fault on, and nothing without it."""

    def __init__(self, faults: Faults, clock: Callable[[], float]) -> None:
        self._faults = faults
        self._clock = clock
        self._entries = deque[_Change | _List](maxlen=ENTRY_LIMIT)
        self._start: _Moment | None = None  # the oldest moment that can be shown

    def clear(self) -> None:
        """Forget everything. No later list shows an earlier moment."""
        self._entries.clear()
        self._start = None

    def note(self, hub: str, group: str, connection: Connection, is_join: bool) -> None:
        """Remember that a connection joined or left a group."""
        if self._begin():
            now, user_id = self._clock(), connection.user_id
            self._append(_Change(now, (hub, group), connection.id, user_id, is_join))

    def read(self, hub: Hub, group: str, *, is_continued: bool) -> Listing:
        """Return the group's connections, as of the moment that an active fault asks for.

        A continued list shows the moment of its first page.
        """
        present = {one.id: one.user_id for one in hub.groups.members(group)}
        start = self._begin()
        if start is None:
            return Listing(present, None)
        key = (hub.name, group)
        moment = max(start, self._continued(key) if is_continued else self._first(key, start))
        return Listing(self._undo(present, key, moment.entries), moment.at)

    def _begin(self) -> _Moment | None:
        if not any(fault.name == "stale-list" for fault in self._faults.active):
            self.clear()
        elif self._start is None:
            self._start = _Moment(0, self._clock())
        return self._start

    def _append(self, entry: _Change | _List) -> None:
        is_full = len(self._entries) == ENTRY_LIMIT
        self._entries.append(entry)
        if self._start is not None and is_full:
            self._start = _Moment(self._start.entries + 1, self._entries[0].at)

    def _present(self) -> _Moment:
        start = 0 if self._start is None else self._start.entries
        return _Moment(start + len(self._entries), self._clock())

    def _first(self, key: tuple[str, str], start: _Moment) -> _Moment:
        fault = self._faults.strike("stale-list")
        moment = self._present()
        if fault is not None:
            moment = min(self._by_time(fault), self._by_count(key, fault, start))
        self._append(_List(self._clock(), key, moment))
        return moment

    def _continued(self, key: tuple[str, str]) -> _Moment:
        return next((one.shown for _, one in self._lists(key)), self._present())

    def _by_time(self, fault: Fault) -> _Moment:
        entries, now = self._present()
        at = now - fault.ms / 1000
        for entry in reversed(self._entries):
            if entry.at <= at:
                break
            entries -= 1
        return _Moment(entries, at)

    def _by_count(self, key: tuple[str, str], fault: Fault, start: _Moment) -> _Moment:
        """Return the moment of the group's list that many lists ago."""
        moment = self._present()
        lists = self._lists(key)
        for _ in range(fault.calls):
            entries, found = next(lists, (start.entries, None))
            moment = start if found is None else _Moment(entries, found.at)
        return moment

    def _lists(self, key: tuple[str, str]) -> Iterator[tuple[int, _List]]:
        """Yield the group's lists, newest first, each with the number of entries before it."""
        entries = self._present().entries
        for entry in reversed(self._entries):
            entries -= 1
            if isinstance(entry, _List) and entry.key == key:
                yield entries, entry

    def _undo(
        self, present: dict[str, str | None], key: tuple[str, str], entries: int
    ) -> dict[str, str | None]:
        """Return the group's connections before the entries that came after the moment."""
        users = present.copy()
        for entry in islice(reversed(self._entries), self._present().entries - entries):
            if not isinstance(entry, _Change) or entry.key != key:
                continue
            if entry.is_join:
                users.pop(entry.connection_id, None)
            else:
                users[entry.connection_id] = entry.user_id
        return dict(sorted(users.items()))
