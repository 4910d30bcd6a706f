"""A simulated hub on virtual time: a user connects while another instance removes the user.

The app's own code runs on two instances with one store. What the service does is drawn from a seed:
when a connection opens, when the data plane knows it, when its event arrives, which calls fail.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.usher.settings import make_settings
from usher.errors import RemovedError, ServiceError, StoreError, UnknownConnectionError
from usher.groups.announcements import Body
from usher.groups.events import ConnectionEvent
from usher.groups.outcomes import Outcome
from usher.groups.removals import Remover
from usher.groups.workflow import join_groups
from usher.service.group_list import GroupList
from usher.store.bans import Bans
from usher.store.entries import Entry

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
USER, GROUP = "mallory", "lobby"
OPEN, MEMBER, SENDER = "open", "member", "sender"


@dataclass(slots=True)
class Connection:
    """A connection, the data plane knows it from `visible_at` on; `rights` has what it can do."""

    id: str
    user: str
    visible_at: float
    rights: set[str] = field(default_factory=lambda: {OPEN, MEMBER, SENDER})


class MemoryStore:
    """A store of both instances. `clock` is its time; it fails while `is_down`."""

    def __init__(self, rng: random.Random) -> None:
        self._entries: dict[str, Entry] = {}
        self._rng = rng
        self.is_down = False

    async def find(self, key: str) -> tuple[Entry | None, float]:
        await self._wait()
        found = self._entries.get(key)
        await self._wait()
        return found, self._now()

    async def put(self, entry: Entry) -> bool:
        await self._wait()
        stored = self._entries.get(entry.key)
        if (stored and stored.version) != entry.version:
            return False
        version = str(int(entry.version or 0) + 1)
        self._entries[entry.key] = entry._replace(version=version)
        await self._wait()
        return True

    async def list(self, prefix: str, after: str, limit: int) -> tuple[Sequence[Entry], float]:
        await self._wait()
        keys = sorted(key for key in self._entries if key.startswith(prefix) and key > after)
        return [self._entries[key] for key in keys[:limit]], self._now()

    async def _wait(self) -> None:
        await asyncio.sleep(self._rng.uniform(0, 0.02))
        if self.is_down:
            raise StoreError("down")

    def _now(self) -> float:
        return NOON.timestamp() + asyncio.get_running_loop().time()


class Hub:
    """The service. `error_rate` is the part of calls that fail, half of them after their effect."""

    def __init__(self, rng: random.Random, error_rate: float) -> None:
        self.connections: dict[str, Connection] = {}
        self.inside: list[tuple[float, str]] = []  # when, and what the user could still do then
        self.messages: list[tuple[str, Body]] = []
        self._rng, self._error_rate = rng, error_rate

    def known(self, user: str) -> list[Connection]:
        """Return the user's connections that the data plane knows."""
        now = asyncio.get_running_loop().time()
        return [
            one for one in self.connections.values() if one.user == user and one.visible_at <= now
        ]

    async def close_user(self, user_id: str, reason: str) -> bool:
        await self._begin()
        closed = self.known(user_id)
        for one in closed:
            one.rights.clear()
            del self.connections[one.id]
        self._end()
        return bool(closed)

    async def find_connection(self, connection_id: str) -> None:
        await self._begin()
        self._find(connection_id)
        self._end()

    async def list_group(self, group: str) -> GroupList:
        await self._begin()
        now = asyncio.get_running_loop().time()
        listed = {
            one.id: one.user
            for one in self.connections.values()
            if MEMBER in one.rights and one.visible_at <= now
        }
        self._end()
        as_of = (NOON + timedelta(seconds=now)).replace(microsecond=0)
        return GroupList(as_of, listed, truncated=False)

    async def remove_connection(self, group: str, connection_id: str) -> None:
        await self._begin()
        self._find(connection_id).rights.discard(MEMBER)
        self._end()

    async def revoke_sending(self, connection_id: str, group: str) -> None:
        await self._begin()
        self._find(connection_id).rights.discard(SENDER)
        self._end()

    async def send_to_connection(self, connection_id: str, body: Body, content_type: str) -> int:
        await self._begin()
        self._find(connection_id)
        self.messages.append((connection_id, body))
        return 202

    async def add_connection(
        self, group: str, connection_id: str, user_id: str | None = None
    ) -> int:
        await self._begin()
        self._find(connection_id).rights.add(MEMBER)
        self._end()
        return 200

    async def send_to_group(self, group: str, body: Body, content_type: str) -> int:
        raise AssertionError("the announcer of this world does not send")

    def _find(self, connection_id: str) -> Connection:
        found = self.connections.get(connection_id)
        if found is None or found.visible_at > asyncio.get_running_loop().time():
            raise UnknownConnectionError("answered 404", answered=404)
        return found

    async def _begin(self) -> None:
        await asyncio.sleep(self._rng.uniform(0.002, 0.04))
        self._fail(self._error_rate / 2)

    def _end(self) -> None:
        self._fail(self._error_rate / 2)

    def _fail(self, rate: float) -> None:
        if self._rng.random() < rate:
            status = self._rng.choice([429, 500, 503])
            raise ServiceError(f"answered {status}", answered=status)


class Announcer:
    """Keeps what would be announced."""

    def __init__(self) -> None:
        self.announced: list[tuple[str, str]] = []  # event name, connection id

    def announces(self, event_name: str) -> bool:
        return True

    async def announce(self, event: ConnectionEvent, outcome: Outcome) -> None:
        self.announced.append((event.name, event.connection_id))


@dataclass(slots=True)
class Instance:
    """An instance of the app."""

    bans: Bans
    remover: Remover
    announcer: Announcer


class World:
    """The hub, the store, and two instances."""

    def __init__(self, seed: int, error_rate: float = 0.0) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - the tries must repeat
        self.hub = Hub(self.rng, error_rate)
        self.store = MemoryStore(self.rng)
        self.announcer = Announcer()
        self.instances = [self._start() for _ in range(2)]

    def _start(self) -> Instance:
        bans = Bans(self.store, make_settings())
        return Instance(bans, Remover(self.hub, self.announcer, bans, "chat"), self.announcer)

    async def connect(self, name: str, slow: float = 1.0, event: float = 6.0) -> None:
        """Connect, if `connect` admits it: at most `slow` seconds later, visible as much later.

        The event `connected` arrives at most `event` seconds after the connection opened.
        """
        try:
            await self.rng.choice(self.instances).bans.check(USER, [GROUP])
        except RemovedError:
            return
        await asyncio.sleep(self.rng.uniform(0, slow * 0.9))
        opened_at = asyncio.get_running_loop().time()
        visible_at = opened_at + self.rng.uniform(0, slow * 0.9)
        self.hub.connections[name] = Connection(name, USER, visible_at)
        await asyncio.sleep(self.rng.uniform(0, event))
        await self.arrive(name)

    async def arrive(self, name: str) -> None:
        """Handle the event `connected` on one of the instances."""
        instance = self.rng.choice(self.instances)
        event = ConnectionEvent("connected", "chat", name, USER, states={})
        is_removed = instance.remover.is_removed
        await join_groups(self.hub, instance.announcer, event, [GROUP], is_removed)

    async def remove(self, group: str | None) -> float:
        """Remove the user on one of the instances; return when the ban was in force."""
        instance = self.rng.choice(self.instances)
        ban, _ = await instance.bans.add(USER, group, 60, "spam")
        banned_at = asyncio.get_running_loop().time()
        await instance.remover.remove(ban)
        return banned_at

    async def watch(self, group: str | None, until: float) -> None:
        """Note each moment at which the user can do what the removal forbids."""
        forbidden = {OPEN, MEMBER, SENDER} if group is None else {MEMBER, SENDER}
        while (now := asyncio.get_running_loop().time()) < until:
            rights = [one.rights & forbidden for one in self.hub.connections.values()]
            self.hub.inside += [(now, right) for one in rights for right in one]
            await asyncio.sleep(0.05)
