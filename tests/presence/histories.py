"""Random histories of a group: what users do, and what happens to the events about it.

A history is data: whole milliseconds, the same for the same seed, to be written as JSON. Each
operation carries the faults of its own events, so that dropping another one changes nothing here.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

USERS = ("ana", "bo", "cy", "di", "", "__proto__", "constructor", "Zoë")
TABS = 3
INSTANCES = 2
GRACES = (1000, 1500, 3000, 3000, 5000)
CROWDS = (0, 0, 1, 2, 5)
STALE = (0, 300, 1000)  # the greatest age of a list
LATEST = 1000  # for which the list may lack a new connection
LAST_PAUSE = 1100  # at least, before the last operation: until every list is true again

type History = dict[str, Any]
type Operation = dict[str, Any]
type Tab = tuple[str, int]  # the user and the number of the tab


def make_history(seed: int) -> History:
    """Return the history of a seed."""
    return _Maker(seed).make()


class _Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - the same history in every run
        self.seed, self.now, self.connections = seed, 0, 0
        self.users = self.random.sample(USERS, self.random.choice((1, 2, 3, 3, 4, 5, 8)))
        self.tabs = self.random.choice((1, 2, TABS))
        self.grace = self.random.choice(GRACES)
        self.busy: dict[Tab, int] = {}  # open tabs, and until when they reload
        self.last_leave = (0, 0)  # when, and which instance got the event
        self.settled = 0  # from when on the service's list stays as it is

    def make(self) -> History:
        operations = [self._open(tab) for tab in self._first_tabs()]
        operations += [self._operation() for _ in range(self.random.randint(5, 16))]
        self.now = max(self.now, self.settled) + LAST_PAUSE + self.random.choice((0, 100, 2000))
        operations.append(self._last())
        return {
            "seed": self.seed,
            "grace": self.grace,
            "crowd": self.random.choice(CROWDS),
            "stale": self.random.choice(STALE),
            "operations": operations,
        }

    def _first_tabs(self) -> list[Tab]:
        """Return the tabs that open at once at the beginning."""
        tabs = self._all_tabs()
        return self.random.sample(tabs, self.random.choice((0, 0, 1, min(len(tabs), 6))))

    def _all_tabs(self) -> list[Tab]:
        return [(user, number) for user in self.users for number in range(self.tabs)]

    def _operation(self) -> Operation:
        self.now += self._pause()
        if self.random.random() < 0.07:
            return self._restart()
        tab = self.random.choice(self._all_tabs())
        if tab not in self.busy:
            return self._open(tab)
        self.now = max(self.now, self.busy[tab])
        name = self.random.choice(("close", "kill", "reload", "reload", "reconnect"))
        return self._close(name, tab) if name in ("close", "kill") else self._reload(name, tab)

    def _pause(self) -> int:
        longest = self.random.choice((0, 300, 1200, 1200, 2500, 6000))
        return self.random.randint(0, longest)

    def _restart(self) -> Operation:
        """Restart an instance, mostly while it waits for the grace of a leave."""
        left_at, instance = self.last_leave
        at = left_at + self.random.randint(0, self.grace)
        self.now = max(self.now, at) if self.random.random() < 0.7 else self.now
        return {"op": "restart", "at": self.now, "instance": instance}

    def _open(self, tab: Tab) -> Operation:
        self.busy[tab] = self.now
        return {"op": "open", "at": self.now, "tab": tab} | self._new_connection()

    def _new_connection(self) -> Operation:
        self.connections += 1
        late = self.random.randint(1, LATEST) if self.random.random() < 0.15 else 0
        return {"connection": self.connections, "late": late, "up": self._deliveries()}

    def _close(self, name: str, tab: Tab) -> Operation:
        del self.busy[tab]
        notice = self.random.randint(0, 3000) if name == "kill" else 0
        return {"op": name, "at": self.now, "tab": tab, "notice": notice} | self._leave(notice)

    def _reload(self, name: str, tab: Tab) -> Operation:
        """Reload within the grace, mostly, or beyond it."""
        gap = self.random.randint(50, 2000) if self.random.random() < 0.8 else self.grace + 700
        self.busy[tab] = self.now + gap
        self.settled = max(self.settled, self.now + gap)
        leave = {"op": name, "at": self.now, "tab": tab, "notice": 0} | self._leave(0)
        return leave | {"gap": gap} | self._new_connection()

    def _leave(self, notice: int) -> Operation:
        down = self._deliveries()
        self.settled = max(self.settled, self.now + notice)
        if down:
            self.last_leave = (self.now + notice, down[0][1])
        return {"down": down}

    def _deliveries(self) -> list[list[int]]:
        """Return when the event arrives, and at which instance: never, once or twice."""
        chance = self.random.random()
        count = 0 if chance < 0.05 else 2 if chance < 0.1 else 1
        return [[self._delay(), self.random.randrange(INSTANCES)] for _ in range(count)]

    def _delay(self) -> int:
        is_late = self.random.random() < 0.07
        return self.random.randint(100, 2500) if is_late else self.random.randint(5, 50)

    def _last(self) -> Operation:
        """Join or leave without a fault, so that everybody gets a message at the end."""
        event = [[20, self.random.randrange(INSTANCES)]]
        tab = self.random.choice(self._all_tabs())
        if tab in self.busy:
            last = {"op": "close", "at": self.now, "tab": tab, "notice": 0, "down": event}
        else:
            number = self.connections + 1
            last = {"op": "open", "at": self.now, "tab": tab, "connection": number}
            last |= {"late": 0, "up": event}
        return last


def shrink(history: History, fails: Callable[[History], bool]) -> History:
    """Drop operations as long as the history fails; never the last one."""
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for candidate in _smaller(history):
            if _ends_with_an_event(candidate) and fails(candidate):
                history, is_smaller = candidate, True
                break
    return history


def _ends_with_an_event(history: History) -> bool:
    """Return whether the last operation opens a closed tab, or closes an open one."""
    *operations, last = history["operations"]
    is_open = False
    for operation in operations:
        if operation.get("tab") == last["tab"]:
            is_open = operation["op"] not in ("close", "kill") and (
                is_open or operation["op"] == "open"
            )
    return bool(is_open == (last["op"] == "close"))


def _smaller(history: History) -> Iterator[History]:
    operations = history["operations"]
    for n in range(len(operations) - 1):
        yield history | {"operations": operations[:n] + operations[n + 1 :]}
    for name, value in (("stale", 0), ("crowd", 0)):
        if history[name] != value:
            yield history | {name: value}
    for n, operation in enumerate(operations):
        for simple in _simpler(operation):
            yield history | {"operations": [*operations[:n], simple, *operations[n + 1 :]]}


def _simpler(operation: Operation) -> Iterator[Operation]:
    """Yield the operation with one fault less."""
    if operation.get("late"):
        yield operation | {"late": 0}
    for event in ("up", "down"):
        deliveries = operation.get(event, [[20, 0]])
        if len(deliveries) != 1 or deliveries[0][0] > 50:
            yield operation | {event: [[20, deliveries[0][1] if deliveries else 0]]}
