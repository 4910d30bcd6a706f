"""Gathers what happens to a group at once, so that a crowd is told of in one message.

Each instance gathers for itself and keeps it in memory: one that stops while it gathers tells
nobody of these events. Membership never waits for any of this.
"""

import asyncio
from collections.abc import Hashable

from usher.groups.announcements import News

MOST_REMEMBERED = 10_000  # groups, and events; what has been silent longest is forgotten first


class Digests:
    """News go out one by one until more than `above` a second come of one kind for one group.

    From then on they are gathered for `seconds` and told together, until it is quiet again. 0 is
    for never. News that came before, with the same id, are not told again.
    """

    def __init__(self, above: int, seconds: float) -> None:
        self._interval = 1 / above if above else 0.0
        self._seconds = seconds
        self._gathered: dict[Hashable, list[News]] = {}  # under way
        self._quiet_at: dict[Hashable, float] = {}  # when all that came has been made up for
        self._known: dict[str, None] = {}

    async def gather(self, news: News) -> list[News]:
        """What is to be told now: these news, all of a moment, or nothing.

        The first of a crowd waits for the others and gets them all; it tells them, and the others
        need not wait.
        """
        if news.id in self._known:
            return []
        self._known[news.id] = None
        _forget(self._known)
        subject = (news.type, news.group)
        is_crowd = self._is_crowd(subject)
        if subject in self._gathered:
            self._gathered[subject].append(news)
            return []
        return await self._wait(subject, news) if is_crowd else [news]

    async def _wait(self, subject: Hashable, first: News) -> list[News]:
        self._gathered[subject] = [first]
        try:
            await asyncio.sleep(self._seconds)
        finally:
            gathered = self._gathered.pop(subject)
        return gathered

    def _is_crowd(self, subject: Hashable) -> bool:
        """Counts one more: a bucket of a second's news that leaks as many in a second."""
        now = asyncio.get_running_loop().time()
        full = now + 1 + self._interval / 2  # half a drop, because sums of fractions are not exact
        quiet_at = max(self._quiet_at.pop(subject, now), now) + self._interval
        self._quiet_at[subject] = min(quiet_at, full)
        _forget(self._quiet_at)
        return quiet_at > full


def _forget[K, V](remembered: dict[K, V]) -> None:
    if len(remembered) > MOST_REMEMBERED:
        del remembered[next(iter(remembered))]
