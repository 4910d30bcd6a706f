"""Entries of a store, and the three calls that every store has."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

# Seconds that one call may take, with its retries. A client waits for it.
CALL_SECONDS = 3.0


class Entry(NamedTuple):
    """What a store keeps under a key. The app ignores it from `until` on.

    `until` is in seconds since 1970, by the store's clock. `version` is what the store read, and
    None for an entry that is not stored yet. Keys are ASCII letters, digits and `-`, and what a
    name of a hub has.
    """

    key: str
    value: Mapping[str, Any]
    until: int
    version: str | None = None


class Store(Protocol):
    """Keeps entries for all instances. Every call raises StoreError.

    A read also returns the time of the store, so that instances agree about the end of an entry
    although their clocks differ.
    """

    async def find(self, key: str) -> tuple[Entry | None, float]:
        """Return the entry, which may have ended, or None; and the store's time."""

    async def put(self, entry: Entry) -> bool:
        """Store the entry if the stored one still has its version; return whether it was stored."""

    async def list(self, prefix: str, after: str, limit: int) -> tuple[Sequence[Entry], float]:
        """Return the first entries with this prefix and a greater key than `after`, in order.

        The second value is the store's time.
        """
