"""CPU and delay of each `connected` event of a running app: the add and the announcement."""

import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median

from benchmarks.callers import APPS, Caller, Stub, key_settings, run_app, run_raw, run_stub
from benchmarks.children import ROOT
from benchmarks.figures import Figure, Goal, Report
from benchmarks.loads import LoadResult
from benchmarks.turns import FLOOR, SAMPLE, USHER, compare, take_turns

ROUNDS = 9
IN_FLIGHT = 10
# Events a turn. The sample gets few, because with TLS each of them takes it about 30 ms.
EVENTS = {FLOOR: 600, USHER: 300, SAMPLE: 40}
CPU_GOAL = Goal(4, of_ratio=True)
DELAY_GOAL = Goal(4, of_ratio=True)
TAIL_GOAL = Goal(1.6, of_ratio=False)
SAMPLE_GOAL = Goal(0.07, of_ratio=True)
TITLE = (
    "the add and the announcement of a connected event, through the Functions runtime; the floor "
    "is the same two calls by aiohttp alone"
)


@dataclass(frozen=True, slots=True)
class Turn:
    """Results of a turn: ten events at a time, then half as many events one at a time.

    `busy` is the share of the first part in which the stub used the CPU.
    """

    ten: LoadResult
    one: LoadResult
    busy: float


async def measure(rounds: int, say: Callable[[str], None], share: float = 1) -> Report:
    """Measure without and with TLS, with `share` of the usual number of events."""
    plain = await _measure(rounds, lambda text: say(f"connected: {text}"), share, tls=False)
    secure = await _measure(rounds, lambda text: say(f"connected, TLS: {text}"), share, tls=True)
    figures = [*_figures("plain", plain), *_figures("TLS", secure), _compared_with_sample(secure)]
    return Report("connected", TITLE, figures, [_busy_note(plain, secure)])


async def _measure(
    rounds: int, say: Callable[[str], None], share: float, *, tls: bool
) -> dict[str, list[Turn]]:
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(run_stub(tls=tls))
        settings = {**key_settings(stub.endpoint), **stub.trust}
        callers = {
            FLOOR: await stack.enter_async_context(run_raw(stub)),
            USHER: await stack.enter_async_context(run_app(ROOT, settings)),
            SAMPLE: await stack.enter_async_context(run_app(APPS / "sample", settings)),
        }
        turns = {
            name: partial(_take_turn, caller, stub, round(EVENTS[name] * share))
            for name, caller in callers.items()
        }
        return await take_turns(turns, rounds, say)


async def _take_turn(caller: Caller, stub: Stub, count: int) -> Turn:
    used, started = stub.child.cpu_seconds(), time.monotonic()
    ten = await caller.connected(count, IN_FLIGHT)
    busy = (stub.child.cpu_seconds() - used) / (time.monotonic() - started)
    one = await caller.connected(count // 2, 1)
    await stub.check_events(count + count // 2)
    return Turn(ten, one, busy)


def _figures(transport: str, turns: Mapping[str, list[Turn]]) -> list[Figure]:
    cpu, delay = f"CPU, {transport}", f"p50 alone, {transport}"
    tail = f"p99 over p50, {transport}"
    return [
        compare(cpu, "us", turns, lambda turn: turn.ten.cpu, CPU_GOAL),
        compare(delay, "ms", turns, lambda turn: turn.one.p50, DELAY_GOAL),
        compare(tail, "times", turns, lambda turn: turn.ten.p99 / turn.ten.p50, TAIL_GOAL),
    ]


def _compared_with_sample(turns: Mapping[str, list[Turn]]) -> Figure:
    """Return Usher's CPU with the sample in the place of the floor."""
    sample, usher = ([turn.ten.cpu for turn in turns[name]] for name in (SAMPLE, USHER))
    return Figure("CPU, TLS, the sample as floor", "us", sample, usher, SAMPLE_GOAL)


def _busy_note(plain: Mapping[str, list[Turn]], secure: Mapping[str, list[Turn]]) -> str:
    parts = [median(turn.busy for turn in turns[FLOOR]) for turns in (plain, secure)]
    return "The stub was busy for {:.0%} of the floor's time, with TLS {:.0%}.".format(*parts)
