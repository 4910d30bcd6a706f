"""The digest: one summary instead of many announcements when many users join at once.

Each instance collects its own announcements in memory: an instance that stops loses what it
collected. Adding connections to groups never waits for it.
"""

import asyncio
from collections.abc import Hashable

from usher.groups.announcements import Announcement

MOST_REMEMBERED = 10_000  # groups, and ids; the oldest is forgotten first


class Digest:
    """Collect announcements while there are more than `above` per second of a type and a group.

    From then on they are collected for `seconds` and sent together, until the rate falls. `above`
    0 never collects. A duplicate, an announcement with a known id, is dropped.
    """

    def __init__(self, above: int, seconds: float) -> None:
        self._interval = 1 / above if above else 0.0
        self._seconds = seconds
        self._collected: dict[Hashable, list[Announcement]] = {}  # while one of them waits
        self._empty_at: dict[Hashable, float] = {}  # when the bucket of each subject is empty
        self._known_ids: dict[str, None] = {}

    async def collect(self, announcement: Announcement) -> list[Announcement]:
        """Return what the caller must send now: this announcement, a collection, or nothing.

        The first of many waits for the others and gets them all; the others get an empty list.
        """
        if announcement.id in self._known_ids:
            return []
        self._known_ids[announcement.id] = None
        _forget_oldest(self._known_ids)
        subject = (announcement.type, announcement.group)
        is_crowd = self._is_above(subject)
        if subject in self._collected:
            self._collected[subject].append(announcement)
            return []
        return await self._wait(subject, announcement) if is_crowd else [announcement]

    async def _wait(self, subject: Hashable, first: Announcement) -> list[Announcement]:
        self._collected[subject] = [first]
        try:
            await asyncio.sleep(self._seconds)
        finally:
            collected = self._collected.pop(subject)
        return collected

    def _is_above(self, subject: Hashable) -> bool:
        """Count one more in a leaky bucket, which holds and leaks the announcements of a second."""
        now = asyncio.get_running_loop().time()
        full = now + 1 + self._interval / 2  # half a drop, because sums of fractions are not exact
        empty_at = max(self._empty_at.pop(subject, now), now) + self._interval
        self._empty_at[subject] = min(empty_at, full)
        _forget_oldest(self._empty_at)
        return empty_at > full


def _forget_oldest[K, V](remembered: dict[K, V]) -> None:
    if len(remembered) > MOST_REMEMBERED:
        del remembered[next(iter(remembered))]
