"""What a running app takes for each `connected` event: the add and the announcement."""

import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median

from benchmarks.callers import APPS, Caller, Stub, key_settings, run_app, run_raw, run_stub
from benchmarks.children import HAS_ACCOUNTING, ROOT
from benchmarks.figures import Figure, Goal, Report
from benchmarks.loads import Load
from benchmarks.turns import FLOOR, SAMPLE, USHER, compare, take_turns

ROUNDS = 9
IN_FLIGHT = 10
# Events in a turn. The sample's are few, because with TLS each of them takes about 30 ms.
EVENTS = {FLOOR: 600, USHER: 300, SAMPLE: 40}
CPU_GOAL = Goal(6, of_ratio=True)
DELAY_GOAL = Goal(4, of_ratio=True)
TAIL_GOAL = Goal(1.6, of_ratio=False)
SAMPLE_GOAL = Goal(0.07, of_ratio=True)
TITLE = (
    "the add and the announcement of a connected event, through the Functions runtime; the floor "
    "is the same two calls by aiohttp alone"
)


@dataclass(frozen=True)
class Turn:
    """Ten events at a time, then half as many one at a time; `busy` is the stub's part of one."""

    ten: Load
    one: Load
    busy: float


async def measure(rounds: int, say: Callable[[str], None], share: float = 1) -> Report:
    """Without TLS and with it; `share` of the events are sent."""
    plain = await _measure(rounds, lambda text: say(f"connected: {text}"), share, tls=False)
    secure = await _measure(rounds, lambda text: say(f"connected, TLS: {text}"), share, tls=True)
    figures = [*_figures("plain", plain), *_figures("TLS", secure), _beside_sample(secure)]
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
    used, started = _cpu_seconds(stub), time.monotonic()
    ten = await caller.connected(count, IN_FLIGHT)
    busy = (_cpu_seconds(stub) - used) / (time.monotonic() - started)
    one = await caller.connected(count // 2, 1)
    await stub.check_events(count + count // 2)
    return Turn(ten, one, busy)


def _cpu_seconds(stub: Stub) -> float:
    return stub.child.cpu_seconds() if HAS_ACCOUNTING else 0


def _figures(transport: str, turns: Mapping[str, list[Turn]]) -> list[Figure]:
    cpu, delay = f"CPU, {transport}", f"p50 alone, {transport}"
    tail = f"p99 over p50, {transport}"
    return [
        compare(cpu, "us", turns, lambda turn: turn.ten.cpu, CPU_GOAL),
        compare(delay, "ms", turns, lambda turn: turn.one.p50, DELAY_GOAL),
        compare(tail, "times", turns, lambda turn: turn.ten.p99 / turn.ten.p50, TAIL_GOAL),
    ]


def _beside_sample(turns: Mapping[str, list[Turn]]) -> Figure:
    """The sample takes the place of the floor."""
    sample, usher = ([turn.ten.cpu for turn in turns[name]] for name in (SAMPLE, USHER))
    return Figure("CPU, TLS, the sample as floor", "us", sample, usher, SAMPLE_GOAL)


def _busy_note(plain: Mapping[str, list[Turn]], secure: Mapping[str, list[Turn]]) -> str:
    if not HAS_ACCOUNTING:
        return "How busy the stub was is not known on this system."
    parts = [median(turn.busy for turn in turns[FLOOR]) for turns in (plain, secure)]
    return (
        "While the floor called, the stub was busy for {:.0%} of the time, with TLS {:.0%}.".format(
            *parts
        )
    )
