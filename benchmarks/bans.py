"""What the bans cost a negotiate and a connected: a SQLite file and a table, next to none."""

import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial

from benchmarks.callers import Caller, Stub, key_settings, run_app, run_stub
from benchmarks.children import ROOT
from benchmarks.figures import Figure, Report
from benchmarks.loads import LoadResult
from benchmarks.turns import take_turns

ROUNDS = 9
CALLS = 200  # a turn
IN_FLIGHT = 10
OFF, SQLITE, TABLE = "off", "sqlite", "table"
ACCOUNT = "AccountName=devstoreaccount1;AccountKey=bWFkZSB1cA==;"
TITLE = (
    "the app with bans in a SQLite file and in a table, through the Functions runtime; the floor "
    "is the app with bans off"
)
NOTE = "The table is a stub on this machine. In Azure, the way to the storage comes on top."

type Turns = Mapping[str, Callable[[], Awaitable[LoadResult]]]


async def measure(rounds: int, say: Callable[[str], None], share: float = 1) -> Report:
    """Measure CPU and delay of both functions, with `share` of the usual number of calls."""
    count = max(2, round(CALLS * share))
    figures: list[Figure] = []
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(run_stub(tls=False))
        apps = await _start(stack, stub)
        for function in ("negotiate", "connected"):
            turns = {
                f"{name} {in_flight}": partial(getattr(app, function), count, in_flight)
                for name, app in apps.items()
                for in_flight in (IN_FLIGHT, 1)
            }
            loads = await take_turns(turns, rounds, _named(say, function))
            figures += _figures(function, loads)
    return Report("bans", TITLE, figures, [NOTE])


async def _start(stack: AsyncExitStack, stub: Stub) -> dict[str, Caller]:
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    kinds = {
        OFF: {"USHER_BANS": "off"},
        # A container sets this variable, which the app takes as a sign of Azure.
        SQLITE: {"USHER_BANS": f"sqlite:{folder}/bans.sqlite", "CONTAINER_NAME": ""},
        TABLE: {
            "USHER_BANS": "table",
            "AzureWebJobsStorage": f"{ACCOUNT}TableEndpoint={stub.endpoint}/devstoreaccount1;",
        },
    }
    settings = key_settings(stub.endpoint)
    return {
        name: await stack.enter_async_context(run_app(ROOT, settings | kind))
        for name, kind in kinds.items()
    }


def _named(say: Callable[[str], None], function: str) -> Callable[[str], None]:
    return lambda text: say(f"bans, {function}: {text}")


def _figures(function: str, loads: Mapping[str, list[LoadResult]]) -> list[Figure]:
    cpu = {name: [load.cpu for load in turns] for name, turns in loads.items()}
    p50 = {name: [load.p50 for load in turns] for name, turns in loads.items()}
    figures = []
    for name in (SQLITE, TABLE):
        floor, measured = f"{OFF} {IN_FLIGHT}", f"{name} {IN_FLIGHT}"
        figures.append(Figure(f"CPU, {function}, {name}", "us", cpu[floor], cpu[measured]))
        floor, measured = f"{OFF} 1", f"{name} 1"
        figures.append(Figure(f"p50 alone, {function}, {name}", "ms", p50[floor], p50[measured]))
    return figures
