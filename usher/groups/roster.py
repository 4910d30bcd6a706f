"""The roster: the members of a group, from the service's list, cached for some seconds."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from usher.groups.presence import count_connections, write_snapshot
from usher.service.group_list import GroupList

CACHE_SECONDS = 3.0
MOST_GROUPS = 500  # in the cache; with 200 members each about 20 MB


class Service(Protocol):
    """The call of Web PubSub that a roster needs."""

    async def list_group(self, group: str) -> GroupList:
        """Return the connections of a group, of 200 users at most. Raises ServiceError."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A request to the service, pending or answered."""

    task: asyncio.Task[dict[str, Any]]
    started_at: float

    def is_fresh(self, now: float) -> bool:
        return not self.task.done() or now - self.started_at < CACHE_SECONDS


class Rosters:
    """A cache of answers and failures, so that callers cannot overload the service."""

    def __init__(self) -> None:
        self._requests: dict[str, _Request] = {}

    async def read(self, service: Service, group: str) -> dict[str, Any]:
        """Return a roster that is at most 3 s old; concurrent callers share it. ServiceError."""
        now = asyncio.get_running_loop().time()
        request = self._requests.get(group)
        if request is None or not request.is_fresh(now):
            request = _Request(asyncio.create_task(_request_roster(service, group)), now)
            self._keep(group, request)
        # Shielded: a caller that is cancelled does not cancel the request of the others.
        return await asyncio.shield(request.task)

    def _keep(self, group: str, request: _Request) -> None:
        self._requests.pop(group, None)
        if len(self._requests) >= MOST_GROUPS:
            del self._requests[next(iter(self._requests))]  # the oldest
        self._requests[group] = request


async def _request_roster(service: Service, group: str) -> dict[str, Any]:
    return describe_roster(group, await service.list_group(group))


def describe_roster(group: str, listed: GroupList) -> dict[str, Any]:
    """Return a presence message with the members in order, each with its number of connections.

    Connections without a user count as one member, the last. Unlike in other presence messages,
    `count` is the number of members in a truncated list, too.
    """
    users = count_connections(listed)
    names = sorted(users, key=lambda name: (not name, name))
    members = [{"userId": name or None, "connections": users[name]} for name in names]
    return write_snapshot(group, listed) | {"count": len(members), "members": members}
