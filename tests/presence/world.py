"""The simulated service, and two instances of the app on virtual time.

What the service does is fixed by the history; the app's own code decides what is sent, and when.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from tests.presence.histories import INSTANCES, History, Tab
from usher.errors import UnknownConnectionError
from usher.groups.announcements import Body
from usher.groups.events import ConnectionEvent
from usher.groups.outcomes import EVENT_SECONDS, Outcome
from usher.groups.presence_announcer import PresenceAnnouncer
from usher.groups.retries import RetryBudget
from usher.service.group_list import GroupList

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
NEVER = 10**9


def noise(*keys: int) -> int:
    """Return a number that depends on the keys alone, as Python hashes integers without a salt."""
    return hash(keys) >> 7


@dataclass(slots=True)
class Connection:
    """A connection: open for its client until `deaf`, and for the service until `gone`."""

    number: int
    tab: Tab
    opened: int
    visible: int  # from when on the lists have it
    client: int  # the number of the first connection of the same client
    deaf: int = NEVER
    gone: int = NEVER

    @property
    def user(self) -> str:
        return self.tab[0]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message: to the group, or to the connection `to`."""

    at: int
    to: int | None
    body: dict[str, Any]


@dataclass(slots=True)
class World:
    """What happens in a history: the connections, and the actions on the instances."""

    history: History
    seen: Counter[str] = field(default_factory=Counter)
    connections: list[Connection] = field(default_factory=list)
    actions: list[tuple[int, int, str, Connection | None, int]] = field(default_factory=list)
    open: dict[Tab, Connection] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for operation in self.history["operations"]:
            self.seen[operation["op"]] += 1
            getattr(self, f"_{operation['op']}")(operation)
        self.actions.sort(key=lambda action: action[:2])

    @property
    def last_at(self) -> int:
        """When the last operation happens."""
        return int(self.history["operations"][-1]["at"])

    def present(self, moment: int) -> dict[str, str]:
        """Return the connections that the service has at a moment."""
        return {
            str(one.number): one.user for one in self.connections if one.opened <= moment < one.gone
        }

    def listed(self, moment: int) -> dict[str, str]:
        """Return the connections that a list has that is as old as this moment."""
        return {
            str(one.number): one.user
            for one in self.connections
            if one.visible <= moment < one.gone
        }

    def age_of_list(self, now: int, instance: int) -> int:
        """Return how old a list is that an instance reads now; every third one is fresh."""
        number = noise(self.history["seed"], now, instance, 1)
        return number // 3 % (self.history["stale"] + 1) if number % 3 else 0

    def _open(self, operation: dict[str, Any]) -> None:
        self._connect(operation, operation["at"], operation["connection"])

    def _connect(self, operation: dict[str, Any], at: int, client: int) -> None:
        tab = (operation["tab"][0], operation["tab"][1])
        if tab not in self.open:
            one = Connection(operation["connection"], tab, at, at + operation["late"], client)
            self.open[tab] = one
            self.connections.append(one)
            self.seen["late visibilities"] += operation["late"] > 0
            self._deliver("connected", at, operation["up"], one)

    def _close(self, operation: dict[str, Any]) -> Connection | None:
        one = self.open.pop((operation["tab"][0], operation["tab"][1]), None)
        if one:
            one.deaf = operation["at"]
            one.gone = operation["at"] + operation["notice"]
            self._deliver("disconnected", one.gone, operation["down"], one)
        return one

    _kill = _close

    def _reload(self, operation: dict[str, Any]) -> None:
        self.seen["reloads within the grace"] += operation["gap"] < self.history["grace"]
        if self._close(operation):
            self._connect(operation, operation["at"] + operation["gap"], operation["connection"])

    def _reconnect(self, operation: dict[str, Any]) -> None:
        if one := self._close(operation):
            self._connect(operation, operation["at"] + operation["gap"], one.client)

    def _restart(self, operation: dict[str, Any]) -> None:
        action = (operation["at"], len(self.actions), "restart", None, operation["instance"])
        self.actions.append(action)

    def _deliver(
        self, name: str, at: int, deliveries: list[list[int]], connection: Connection
    ) -> None:
        self.seen["lost events"] += not deliveries
        self.seen["doubled events"] += len(deliveries) > 1
        for delay, instance in deliveries:
            self.seen["delayed events"] += delay > 50
            self.actions.append((at + delay, len(self.actions), name, connection, instance))


class Service:
    """The calls of one instance."""

    def __init__(self, world: World, number: int, now: Callable[[], int], sent: list[Sent]) -> None:
        self.world, self.number, self.now, self.sent = world, number, now, sent
        self.by_id = {str(one.number): one for one in world.connections}
        self.lists: list[int] = []  # when the instance read them

    async def list_group(self, group: str) -> GroupList:
        now = self.now()
        moment = now - self.world.age_of_list(now, self.number)
        listed = self.world.listed(moment)
        self.world.seen["lists"] += 1
        self.world.seen["stale lists"] += listed != self.world.present(now)
        self.lists.append(now)
        return GroupList(moment_of(moment), listed, False)

    async def send_to_group(self, group: str, body: Body, content_type: str) -> int:
        assert isinstance(body, dict)
        self.sent.append(Sent(self.now(), None, body))
        return 202

    async def send_to_connection(self, connection_id: str, body: Body, content_type: str) -> int:
        assert isinstance(body, dict)
        one = self.by_id[connection_id]
        if self.now() >= one.gone:
            raise UnknownConnectionError("answered 404", answered=404)
        self.sent.append(Sent(self.now(), one.number, body))
        return 202


def moment_of(milliseconds: int) -> datetime:
    """Return the `Date` of a list, in whole seconds."""
    return _second(milliseconds // 1000)


@cache
def _second(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Instance:
    """An instance of the app, and the handlers that run in it."""

    def __init__(self, service: Service, history: History) -> None:
        self.service, self.history = service, history
        self.tasks: set[asyncio.Task[None]] = set()
        self.start()

    def start(self) -> None:
        """Start with nothing in memory."""
        self.check_lists()
        self.service.lists.clear()
        grace = self.history["grace"] / 1000
        self.announcer = PresenceAnnouncer(self.service, grace, self.history["crowd"])

    def check_lists(self) -> None:
        pairs = zip(self.service.lists, self.service.lists[1:], strict=False)
        assert all(later - earlier >= 999 for earlier, later in pairs), "two lists in a second"

    def restart(self) -> int:
        """Lose everything that waits. Return the number of handlers that waited."""
        waiting = [task for task in self.tasks if not task.done()]
        for task in waiting:
            task.cancel()
        self.start()
        return len(waiting)

    def handle(self, name: str, one: Connection) -> None:
        if name == "connected" and self.service.now() >= one.gone:
            return  # the add of a connection that is gone fails, and nothing is announced
        user = one.user or None
        deadline = asyncio.get_running_loop().time() + EVENT_SECONDS
        facts = ("chat", "lobby", str(one.number), user)
        outcome = Outcome(name, *facts, RetryBudget(deadline))
        at = one.opened if name == "connected" else one.gone
        time = NOON + timedelta(milliseconds=at)
        event = ConnectionEvent(name, "chat", str(one.number), user, {}, time=time)
        self.tasks.add(asyncio.create_task(self.announcer.announce(event, outcome)))


async def serve(world: World) -> list[Sent]:
    """Run the instances through the history, and return what they sent.

    Raises AssertionError if an instance lists the group more than once a second.
    """
    loop = asyncio.get_running_loop()
    begin, sent = loop.time(), list[Sent]()

    def now() -> int:
        return round((loop.time() - begin) * 1000)

    services = [Service(world, number, now, sent) for number in range(INSTANCES)]
    instances = [Instance(service, world.history) for service in services]
    for at, _, name, connection, number in world.actions:
        await asyncio.sleep(begin + at / 1000 - loop.time())
        if connection:
            instances[number].handle(name, connection)
        else:
            world.seen["restarts with something to lose"] += instances[number].restart() > 0
    for instance in instances:
        for result in await asyncio.gather(*instance.tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        instance.check_lists()
    return sent
