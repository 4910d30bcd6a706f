"""Who is in a group, by the service's own list, remembered for some seconds. No store."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

REMEMBERED_SECONDS = 3.0
MOST_GROUPS = 500  # of which a roster is remembered; with 200 members each, some 20 MB


class Service(Protocol):
    """What a roster asks."""

    async def list_users(self, group: str) -> tuple[Sequence[str | None], bool]:
        """The user of each of at most 200 connections, and whether there are more. ServiceError."""


@dataclass(frozen=True)
class _Reading:
    """A question to the service that is under way, or its answer."""

    task: asyncio.Task[dict[str, Any]]
    begun_at: float

    def is_good(self, now: float) -> bool:
        return not self.task.done() or now - self.begun_at < REMEMBERED_SECONDS


class Rosters:
    """Remembers answers and failures, so that callers cannot load the service."""

    def __init__(self) -> None:
        self._readings: dict[str, _Reading] = {}

    async def read(self, service: Service, group: str) -> dict[str, Any]:
        """The group's roster, at most 3 s old; callers at the same time share it. ServiceError."""
        now = asyncio.get_running_loop().time()
        reading = self._readings.get(group)
        if reading is None or not reading.is_good(now):
            reading = _Reading(asyncio.create_task(_ask(service, group)), now)
            self._remember(group, reading)
        # Shielded: one caller that goes away does not end the question of the others.
        return await asyncio.shield(reading.task)

    def _remember(self, group: str, reading: _Reading) -> None:
        self._readings.pop(group, None)
        if len(self._readings) >= MOST_GROUPS:
            del self._readings[next(iter(self._readings))]  # the oldest
        self._readings[group] = reading


async def _ask(service: Service, group: str) -> dict[str, Any]:
    users, has_more = await service.list_users(group)
    return describe_roster(group, users, has_more)


def describe_roster(group: str, users: Sequence[str | None], has_more: bool) -> dict[str, Any]:
    """Distinct users by name, each with its connections; those without a user are one, at the end.

    `truncated` says that the group has more connections than were read.
    """
    counts = Counter(users)
    names = sorted(counts, key=lambda user: (user is None, user or ""))
    members = [{"userId": name, "connections": counts[name]} for name in names]
    return {"group": group, "count": len(members), "members": members, "truncated": has_more}
