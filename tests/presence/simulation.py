"""Runs a history, and says what is wrong with what its clients saw."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from localdev.presence import Rules
from tests.presence.clients import (
    LONGEST_DELAY,
    ROSTER_PAUSE,
    ROSTER_WAIT,
    Client,
    Line,
    run_clients,
)
from tests.presence.histories import History
from tests.presence.replay import Replayed
from tests.presence.world import NEVER, NOON, Connection, World, serve
from tests.virtual_time import VirtualTimeLoop

# After the last event, the app takes the grace, a window, and two lists more; its messages take a
# while, too. Then a client that is behind needs two answers of the roster at the most.
APP_WAIT = 1000 + 2 * 2000 + LONGEST_DELAY
ROSTER_LONGEST = ROSTER_WAIT[1] + 2 * ROSTER_PAUSE
ENDS_WRONG = "a client ends with other users than the service"
# Leaves of a user's other tabs may still be announced for so long, by the other instance.
OTHER_TABS = APP_WAIT

type Gap = tuple[int, int]


@dataclass(slots=True)
class Run:
    """What happened in a history."""

    world: World
    clients: list[Client]
    end: int

    def replayed(self) -> list[Replayed]:
        """Return what the clients' reducers did."""
        return [Replayed(one.applied, one.results, one.users) for one in self.clients]

    def find_fault(self) -> str:
        """Return what is wrong, or an empty text."""
        return next((fault for client in self.clients for fault in self._faults(client)), "")

    def _faults(self, client: Client) -> Iterator[str]:
        name = f"client {client.connections[0].number}"
        if client.connections[-1].deaf > self.end:
            listed = dict(Counter(self.world.present(self.end).values()))
            if client.users != listed:
                yield f"{ENDS_WRONG}: {name} has {client.users}, the service {listed}"
        for line in client.lines:
            if fault := self._fault_of(line):
                yield f"{fault}: {name}, {line}"
        for earlier, later in pairwise(sorted(client.lines, key=lambda line: line.name)):
            if earlier[:2] == later[:2]:
                yield f"a user joins or leaves twice: {name}, {later}"

    def _fault_of(self, line: Line) -> str:
        if line.kind == "joined":
            is_gone = line.name not in self.world.present(line.at).values()
            is_ghost = is_gone and line.as_of < line.snapshot
            return "a message from before a snapshot brings back who is gone" if is_ghost else ""
        gaps = list(self._gaps_at(line.name, line.as_of))
        if not gaps:
            return "a user has left who is present"
        is_reload = all(self._is_reload(line.name, gap) for gap in gaps)
        return "a reload within the grace is shown as a leave" if is_reload else ""

    def _gaps_at(self, user: str, as_of: str) -> Iterator[Gap]:
        """Yield when the lists did not have the user, if that was in this second."""
        second = round((datetime.fromisoformat(as_of) - NOON).total_seconds()) * 1000
        absent_from = -NEVER
        for one in self._connections_of(user):
            if one.visible >= one.gone:
                continue  # no list ever had it
            if absent_from <= second + 999 and second <= one.visible > absent_from:
                yield absent_from, one.visible
            absent_from = max(absent_from, one.gone)
        if absent_from <= second + 999:
            yield absent_from, NEVER

    def _is_reload(self, user: str, gap: Gap) -> bool:
        """Return whether a gap is within the grace, and due to one tab alone.

        Lists as old as `stale` show the gap for longer, so this is a part of the grace.
        """
        grace, stale = self.world.history["grace"], self.world.history["stale"]
        left, returned = gap
        others = (one.gone for one in self._connections_of(user))
        is_alone = not any(left - grace - OTHER_TABS < gone < left for gone in others)
        return returned - left < grace - stale and is_alone

    def _connections_of(self, user: str) -> list[Connection]:
        mine = (one for one in self.world.connections if one.user == user)
        return sorted(mine, key=lambda one: one.visible)


class Simulation:
    """Runs histories on one virtual clock. `seen` counts what happened in them."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.seen = self.rules.uses
        self._runner = asyncio.Runner(loop_factory=VirtualTimeLoop)

    def __enter__(self) -> "Simulation":
        self._runner.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._runner.close()

    def run(self, history: History) -> Run:
        """Run a history."""
        world = World(history, self.seen)
        sent = self._runner.run(serve(world))
        self.seen["crowds"] += sum(one.to is None and one.body["snapshot"] for one in sent)
        end = world.last_at + history["grace"] + APP_WAIT + ROSTER_LONGEST
        return Run(world, run_clients(world, sent, self.rules, self.seen, end), end)

    def find_fault(self, history: History) -> str:
        """Return what is wrong with a history, or an empty text."""
        return self.run(history).find_fault()
