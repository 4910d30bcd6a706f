"""Entries in the memory of one instance, for callers with a fixed number of keys."""

import time
from collections.abc import Callable

from usher.store.entries import Entry


class MemoryStore:
    """Entries until the process ends. Nothing is ever removed, so the keys must be bounded."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._entries: dict[str, Entry] = {}
        self._clock = clock

    async def find(self, key: str) -> tuple[Entry | None, float]:
        """Return the entry or None, and the time of this machine."""
        return self._entries.get(key), self._clock()

    async def put(self, entry: Entry) -> bool:
        """Store the entry if the stored one still has its version; return whether it was stored."""
        stored = self._entries.get(entry.key)
        if entry.version != (stored and stored.version):
            return False
        self._entries[entry.key] = entry._replace(version=str(int(entry.version or 0) + 1))
        return True
