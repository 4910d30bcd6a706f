"""CPU for each negotiate of a running app, with an access key and with a managed identity."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial

from benchmarks.callers import (
    APPS,
    Caller,
    identity_settings,
    key_settings,
    run_app,
    run_raw,
    run_stub,
)
from benchmarks.children import ROOT
from benchmarks.figures import Goal, Report
from benchmarks.loads import LoadResult
from benchmarks.turns import FLOOR, SAMPLE, USHER, compare, take_turns

ROUNDS = 15
# Calls a turn, chosen so that all turns take about as long.
KEY_CALLS = {FLOOR: 2_000, USHER: 700, SAMPLE: 200}
IDENTITY_CALLS = {FLOOR: 400, USHER: 150, SAMPLE: 10}
IN_FLIGHT = 10
KEY_GOAL = Goal(3.5, of_ratio=True)
IDENTITY_GOAL = Goal(4.5, of_ratio=True)
TITLE = (
    "CPU per negotiate through the Functions runtime; the floors are a bare HMAC through the "
    "runtime, and aiohttp's own call of :generateToken"
)
NOTE = f"With a key 1 call at a time; with an identity {IN_FLIGHT}, and its own token is cached."

type Turns = Mapping[str, Callable[[], Awaitable[LoadResult]]]


async def measure(rounds: int, say: Callable[[str], None], share: float = 1) -> Report:
    """Measure both modes with `share` of the usual number of calls."""
    figures = []
    async with AsyncExitStack() as stack:
        turns = _turns(await _start_key_mode(stack), KEY_CALLS, share, in_flight=1)
        loads = await take_turns(turns, rounds, lambda text: say(f"negotiate, key: {text}"))
        figures.append(compare("access key", "us", loads, lambda load: load.cpu, KEY_GOAL))
    async with AsyncExitStack() as stack:
        turns = _turns(await _start_identity_mode(stack), IDENTITY_CALLS, share, IN_FLIGHT)
        loads = await take_turns(turns, rounds, lambda text: say(f"negotiate, identity: {text}"))
        figures.append(compare("identity, TLS", "us", loads, lambda load: load.cpu, IDENTITY_GOAL))
    return Report("negotiate", TITLE, figures, [NOTE])


async def _start_key_mode(stack: AsyncExitStack) -> dict[str, Caller]:
    """Start the apps. Nothing listens at the endpoint, because this mode sends nothing."""
    settings = key_settings("http://127.0.0.1:1")
    folders = {FLOOR: APPS / "bare", USHER: ROOT, SAMPLE: APPS / "sample"}
    return {
        name: await stack.enter_async_context(run_app(folder, settings))
        for name, folder in folders.items()
    }


async def _start_identity_mode(stack: AsyncExitStack) -> dict[str, Caller]:
    stub = await stack.enter_async_context(run_stub(tls=True))
    settings = {**identity_settings(stub.endpoint), **stub.trust}
    return {
        FLOOR: await stack.enter_async_context(run_raw(stub)),
        USHER: await stack.enter_async_context(run_app(ROOT, settings)),
        SAMPLE: await stack.enter_async_context(run_app(APPS / "sample", settings)),
    }


def _turns(
    callers: Mapping[str, Caller], calls: Mapping[str, int], share: float, in_flight: int
) -> Turns:
    return {
        name: partial(caller.negotiate, max(2, round(calls[name] * share)), in_flight)
        for name, caller in callers.items()
    }
