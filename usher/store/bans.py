"""Bans: which users were removed, from which group or from the whole hub, and until when."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from usher.errors import (
    BansOffError,
    NotFoundError,
    RemovedError,
    StoreError,
    TooManyBansError,
)
from usher.logs import log_record
from usher.settings import Settings
from usher.store.entries import Entry, Store

PAGE = 100  # users
WRITES = 5  # attempts, if other writers change the same user's bans
LARGEST_ENTRY = 60_000  # bytes; a column of a table has room for 65,536
ID = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")

# Returns the new bans for the bans in force at a time.
type Change = Callable[[Sequence["Ban"], float], Sequence["Ban"]]


@dataclass(frozen=True, slots=True)
class Ban:
    """A removal in force. `group` is None for the whole hub; `until` is in seconds since 1970."""

    user_id: str
    group: str | None
    minutes: int
    reason: str
    until: int

    @property
    def id(self) -> str:
        """The id: the same for each removal of this user from this group."""
        return f"{_digest(self.user_id, 32)}-{_digest(json.dumps(self.group), 16)}"

    def describe(self) -> dict[str, Any]:
        """Return the removal as the API shows it."""
        return {
            "id": self.id,
            "userId": self.user_id,
            "group": self.group,
            "minutes": self.minutes,
            "reason": self.reason,
            "until": _time_text(self.until),
        }


class Bans:
    """The bans of a hub. Without a store there are none, and none can be added.

    All bans of a user are one entry, so a check is one point read. Its key has a hash of the user
    id, which may have characters that no key can have.
    """

    def __init__(self, store: Store | None, settings: Settings) -> None:
        self._store = store
        self._prefix = f"ban-{settings.hub.lower()}-"
        self._admits_without_store = settings.admits_without_store

    @property
    def are_on(self) -> bool:
        """Whether there can be bans."""
        return self._store is not None

    async def check(self, user_id: str | None, groups: Sequence[str]) -> None:
        """Raise RemovedError if the user was removed from the hub or from one of the groups.

        Raises StoreError if the store does not answer, unless the settings admit users then.
        """
        for ban in await self.of_user(user_id):
            if ban.group is None or ban.group in groups:
                raise RemovedError(ban.group, _time_text(ban.until), ban.reason)

    async def of_user(self, user_id: str | None) -> Sequence[Ban]:
        """Return the user's bans. Raises StoreError as `check`."""
        if self._store is None or user_id is None:
            return []
        try:
            entry, now = await self._store.find(self._prefix + _digest(user_id, 32))
        except StoreError as error:
            if not self._admits_without_store:
                raise
            log_record("bans-down", logging.ERROR, userId=user_id, failure=str(error))
            return []
        return _read(entry, now)

    async def add(
        self, user_id: str, group: str | None, minutes: int, reason: str
    ) -> tuple[Ban, bool]:
        """Ban the user, and return the ban and whether it is new.

        The same ban again stays as it is; other minutes or another reason replace it.
        Raises BansOffError, TooManyBansError, StoreError.
        """
        is_new = True

        def change(bans: Sequence[Ban], now: float) -> Sequence[Ban]:
            nonlocal is_new
            same = [ban for ban in bans if ban.group == group]
            is_new = not same
            if same and (same[0].minutes, same[0].reason) == (minutes, reason):
                return bans
            added = Ban(user_id, group, minutes, reason, int(now) + 60 * minutes)
            return [*(ban for ban in bans if ban.group != group), added]

        bans = await self._change(_digest(user_id, 32), change)
        return next(ban for ban in bans if ban.group == group), is_new

    async def find(self, ban_id: str) -> Ban:
        """Return a ban. Raises NotFoundError, BansOffError, StoreError."""
        entry, now = await self._require_store().find(self._prefix + _read_id(ban_id))
        return _pick(_read(entry, now), ban_id)

    async def lift(self, ban_id: str) -> Ban:
        """End a ban and return it. Raises NotFoundError, BansOffError, StoreError."""
        lifted: list[Ban] = []

        def change(bans: Sequence[Ban], now: float) -> Sequence[Ban]:
            lifted[:] = [_pick(bans, ban_id)]
            return [ban for ban in bans if ban not in lifted]

        await self._change(_read_id(ban_id), change)
        return lifted[0]

    async def list(self, after: str) -> tuple[Sequence[Ban], str | None]:
        """Return the bans of a page of users, and what the next page comes after.

        Raises BansOffError, StoreError.
        """
        store = self._require_store()
        entries, now = await store.list(self._prefix, self._prefix + after, PAGE)
        last = entries[-1].key.removeprefix(self._prefix) if len(entries) == PAGE else None
        return [ban for entry in entries for ban in _read(entry, now)], last

    async def _change(self, user: str, change: Change) -> Sequence[Ban]:
        """Change a user's bans although another instance may change them at the same time."""
        store, key = self._require_store(), self._prefix + user
        for _ in range(WRITES):
            entry, now = await store.find(key)
            bans = _read(entry, now)
            changed = change(bans, now)
            if changed == bans:
                return changed
            until = max((ban.until for ban in changed), default=0)
            value = {"bans": [asdict(ban) for ban in changed]}
            if len(json.dumps(value, ensure_ascii=False).encode("utf-16-le")) > LARGEST_ENTRY:
                raise TooManyBansError
            if await store.put(Entry(key, value, until, entry and entry.version)):
                return changed
        raise StoreError(f"other writers changed the entry {WRITES} times")

    def _require_store(self) -> Store:
        if self._store is None:
            raise BansOffError
        return self._store


def _read(entry: Entry | None, now: float) -> list[Ban]:
    """Return the bans of an entry that are in force."""
    bans = [Ban(**fields) for fields in entry.value["bans"]] if entry else []
    return [ban for ban in bans if ban.until > now]


def _pick(bans: Sequence[Ban], ban_id: str) -> Ban:
    for ban in bans:
        if ban.id == ban_id:
            return ban
    raise NotFoundError("There is no removal with this id in force.")


def _read_id(ban_id: str) -> str:
    """Return the part of the id that stands for the user. Raises NotFoundError."""
    if found := ID.fullmatch(ban_id):
        return found[1]
    raise NotFoundError("There is no removal with this id in force.")


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _time_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
