"""CPU of each `connected` event in the presence format, next to the text format.

Each connection joins a group of its own, so that no list serves two of them: the quiet join of
docs/scale.md, with four calls of the service.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial

from benchmarks.callers import Stub, key_settings, run_app, run_raw, run_stub
from benchmarks.children import ROOT
from benchmarks.figures import Figure, Goal, Report
from benchmarks.loads import LoadResult
from benchmarks.turns import take_turns

ROUNDS = 9
IN_FLIGHT = 10
EVENTS = 300
GOAL = Goal(6, of_ratio=True)
TITLE = (
    "CPU of a connected event, through the Functions runtime; the floors are the same calls by "
    "aiohttp alone: add and send in text format; add, list, snapshot and send in presence format"
)
TEXT, PRESENCE, TWO_CALLS, FOUR_CALLS = "text", "presence", "two calls", "four calls"
FORMAT = "USHER_ANNOUNCEMENT_FORMAT"

type Load = Callable[[], Awaitable[LoadResult]]


async def measure(rounds: int, say: Callable[[str], None], share: float = 1) -> Report:
    """Measure both formats in turn, with `share` of the usual number of events."""
    count = max(2, round(EVENTS * share))
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(run_stub(tls=False))
        turns = await _start(stack, stub, count)
        loads = await take_turns(turns, rounds, lambda text: say(f"presence: {text}"))
    cpu = {name: [load.cpu for load in each] for name, each in loads.items()}
    figures = [
        Figure("CPU, text", "us", cpu[TWO_CALLS], cpu[TEXT], GOAL),
        Figure("CPU, presence", "us", cpu[FOUR_CALLS], cpu[PRESENCE], GOAL),
    ]
    return Report("presence", TITLE, figures)


async def _start(stack: AsyncExitStack, stub: Stub, count: int) -> Mapping[str, Load]:
    """Start the apps and the floor, and return the turn of each."""
    raw = await stack.enter_async_context(run_raw(stub))
    apps = {
        name: await stack.enter_async_context(
            run_app(ROOT, {**key_settings(stub.endpoint), FORMAT: name})
        )
        for name in (TEXT, PRESENCE)
    }

    async def checked(load: Load, calls: Mapping[str, int]) -> LoadResult:
        result = await load()
        await stub.check_calls({name: number * count for name, number in calls.items()})
        return result

    two, four = {"add": 1, "send": 1}, {"add": 1, "list": 1, "snapshot": 1, "send": 1}
    return {
        TWO_CALLS: partial(checked, partial(raw.connected, count, IN_FLIGHT), two),
        TEXT: partial(checked, partial(apps[TEXT].connected, count, IN_FLIGHT, is_alone=True), two),
        FOUR_CALLS: partial(checked, partial(raw.present, count, IN_FLIGHT), four),
        PRESENCE: partial(
            checked, partial(apps[PRESENCE].connected, count, IN_FLIGHT, is_alone=True), four
        ),
    }
