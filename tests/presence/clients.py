"""The simulated clients: what reaches them, and when they ask the roster.

Off the event loop, because clients never influence each other: what a client applies depends on
what the instances sent, on the service's lists, and on the history's faults.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from localdev.presence import Rules, State, apply_presence, present_users
from tests.presence.histories import INSTANCES
from tests.presence.replay import Result
from tests.presence.world import NEVER, Connection, Sent, World, moment_of, noise
from usher.groups.presence import write_snapshot
from usher.service.group_list import GroupList

LONGEST_DELAY = 2500  # of a message
ROSTER_WAIT = (3000, 5000)  # before a client asks, at random
ROSTER_PAUSE = 10_000  # at least, between two requests
ROSTER_CACHE = 3000  # for which an instance keeps its answer
PERCENT_LOST = PERCENT_DOUBLED = 5
PERCENT_DELAYED = 10

type Message = dict[str, Any]


class Delivery(NamedTuple):
    at: int
    order: int
    body: Message


class Line(NamedTuple):
    """What a client shows: who joined or left.

    `as_of` is of the message that said so, `snapshot` of the newest snapshot before it.
    """

    kind: str
    name: str
    as_of: str
    snapshot: str
    at: int


@dataclass(slots=True)
class Client:
    """A page, which may connect several times. `applied` has the messages of its reducer."""

    world: World
    connections: list[Connection]
    rules: Rules
    seen: Counter[str]
    state: State | None = None
    applied: list[Message] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    snapshot: str = ""
    ask_at: int = NEVER
    asked_at: int = -NEVER
    absent: frozenset[str] = frozenset()  # who is shown, and was not in the last answer

    def run(self, inbox: Iterator[Delivery], end: int) -> None:
        """Live until `end`, or until the last connection is closed."""
        delivery = next(inbox, None)
        for connection in self.connections:
            stop = min(connection.deaf, end)
            self.ask_at = connection.opened + self._wait(connection.opened)
            self.absent = frozenset()
            while min(now := delivery.at if delivery else NEVER, self.ask_at) < stop:
                if now <= self.ask_at and delivery:
                    self.receive(now, delivery.body)
                    delivery = next(inbox, None)
                else:
                    self.ask(self.ask_at)

    def _wait(self, now: int) -> int:
        shortest, longest = ROSTER_WAIT
        number = noise(self.world.history["seed"], self.connections[0].number, now, 2)
        return shortest + number % (longest - shortest)

    def receive(self, now: int, message: Message) -> None:
        """Apply a message of the service. A later snapshot removes nobody."""
        if message["snapshot"] and self.is_ready:
            message = message | {"truncated": True}
        if not self._apply(now, message):
            self.absent = frozenset()
            self.ask_at = NEVER if self.is_ready else self.ask_at
        elif self.ask_at == NEVER:
            self.ask_at = max(now + self._wait(now), self.asked_at + ROSTER_PAUSE)

    def ask(self, now: int) -> None:
        """Ask the roster. Who is absent in two answers has left; in one, it may be a reload."""
        self.seen["roster requests"] += 1
        answer = self._read_roster(now)
        absent = self.users.keys() - answer["users"].keys()
        gone = sorted(self.absent & absent)
        if self.is_ready and self.rules.confirms_leaves:
            answer |= {"truncated": True, "gone": gone}
        self.seen["leaves by two answers"] += len(gone)
        is_behind, self.asked_at = self._apply(now, answer), now
        self.ask_at = now + ROSTER_PAUSE if is_behind else NEVER
        self.absent = frozenset(absent if is_behind else ())

    @property
    def users(self) -> dict[str, int]:
        """Those whom the client shows, with their numbers of connections."""
        return present_users(self.state)

    @property
    def is_ready(self) -> bool:
        return self.state is not None and self.state.is_ready

    def _read_roster(self, now: int) -> Message:
        """Return an answer, which may be from the cache of an instance."""
        number = noise(self.world.history["seed"], self.connections[0].number, now, 3)
        read_at = now - number // 8 % ROSTER_CACHE if number % 2 else now
        moment = read_at - self.world.age_of_list(read_at, number // 4 % INSTANCES)
        listed = GroupList(moment_of(moment), self.world.listed(moment), truncated=False)
        return write_snapshot("lobby", listed)

    def _apply(self, now: int, message: Message) -> bool:
        """Apply a message, and return whether the client is behind."""
        result = apply_presence(self.state, message, self.rules)
        self.state = result.state
        self.applied.append(message)
        self.results.append((result.joined, result.left, result.is_behind))
        for kind, names in (("joined", result.joined), ("left", result.left)):
            self.lines += [Line(kind, name, message["asOf"], self.snapshot, now) for name in names]
        if message["snapshot"] and not message["truncated"]:
            self.snapshot = max(self.snapshot, message["asOf"])
        return result.is_behind


def run_clients(
    world: World, sent: list[Sent], rules: Rules, seen: Counter[str], end: int
) -> list[Client]:
    """Run every client of the history on what the instances sent."""
    pages: dict[int, list[Connection]] = {}
    for connection in world.connections:
        pages.setdefault(connection.client, []).append(connection)
    clients = [Client(world, connections, rules, seen) for connections in pages.values()]
    for client in clients:
        deliveries = (
            delivery
            for connection in client.connections
            for delivery in deliver(world, connection, sent, seen)
        )
        client.run(iter(sorted(deliveries, key=lambda one: one[:2])), end)
    return clients


def deliver(
    world: World, connection: Connection, sent: list[Sent], seen: Counter[str]
) -> Iterator[Delivery]:
    """Yield what reaches a connection: most messages once and soon."""
    for order, message in enumerate(sent):
        is_for_it = message.to in (None, connection.number)
        if is_for_it and connection.opened <= message.at < connection.deaf:
            for at in _arrivals(world, connection, message, seen):
                if at < connection.deaf:
                    yield Delivery(at, order, message.body)


def _arrivals(
    world: World, connection: Connection, message: Sent, seen: Counter[str]
) -> Iterator[int]:
    number = noise(world.history["seed"], connection.number, message.at, message.to is None)
    percent, number = number % 100, number // 100
    if percent < PERCENT_LOST and message.at < world.last_at:
        seen["lost messages"] += 1
        return
    delay, number = 5 + number % 50, number // 50
    if number % 100 < PERCENT_DELAYED:
        delay += number // 100 % LONGEST_DELAY
        seen["delayed messages"] += 1
    yield message.at + delay
    if PERCENT_LOST <= percent < PERCENT_LOST + PERCENT_DOUBLED:
        seen["doubled messages"] += 1
        yield message.at + number // 1000 % LONGEST_DELAY
