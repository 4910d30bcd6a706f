"""From the start of a process to its first answer: time, memory and imports."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.callers import APPS, Stub, key_settings, run_stub
from benchmarks.children import ROOT, run_child
from benchmarks.figures import Figure, Goal, Report
from benchmarks.imports import import_times, sum_packages
from benchmarks.turns import FLOOR, SAMPLE, USHER, compare, take_turns

ROUNDS = 11
INDEXED_GOAL = Goal(1.2, of_ratio=True)
ANSWERED_GOAL = Goal(1.7, of_ratio=True)
MEMORY_GOAL = Goal(1.5, of_ratio=True)
# First request -> names of the turns that import lazily, and that import all at the top.
LAZINESS = {
    "negotiate": (USHER, "negotiate, all at the top"),
    "connected": ("connected", "connected, all at the top"),
}
LARGEST = 6
TITLE = (
    "from the start of a process, with an access key, until its functions are indexed and until "
    "its first negotiate is answered; the floor is a hello-world app"
)


@dataclass(frozen=True, slots=True)
class Start:
    """One start: times in ms, resident memory in MB, and what the first request imported."""

    indexed: float
    answered: float
    memory: float
    later: Sequence[str]
    log: str


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts apps that use the stub as their service."""

    stub: Stub

    async def start(
        self,
        folder: Path,
        request: str = "negotiate",
        modules: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> Start:
        """Start an app once; starter.py explains the parameters. `options` are Python's."""
        arguments = ("-m", "benchmarks.starter", str(folder), request, json.dumps(modules))
        # Keep compiled modules even if the environment says otherwise: the warm-up writes them.
        environment = {**key_settings(self.stub.endpoint), "PYTHONDONTWRITEBYTECODE": ""}
        began = time.monotonic_ns()
        async with run_child(*options, *arguments, environment=environment) as child:
            facts = json.loads(await child.read_line())
            log, memory = child.read_log(), child.resident_bytes() / 2**20
        await self.stub.check_events(1 if request == "connected" else 0)
        indexed, answered = ((facts[name] - began) / 1e6 for name in ("indexed", "answered"))
        return Start(indexed, answered, memory, facts["later"], log)

    async def measure_imports(self, request: str) -> dict[str, float]:
        """Return package and ms of what Usher imports until its answer and hello world does not."""
        options = ("-X", "importtime")
        hello = await self.start(APPS / "hello", options=options)
        usher = await self.start(ROOT, request, options=options)
        return sum_packages(import_times(usher.log), import_times(hello.log))


async def measure(rounds: int, say: Callable[[str], None]) -> Report:
    """Compare Usher, the sample, hello world, and Usher with all imports at the top."""
    async with run_stub(tls=False) as stub:
        starter = Starter(stub)
        turns = {
            FLOOR: partial(starter.start, APPS / "hello"),
            USHER: partial(starter.start, ROOT),
            SAMPLE: partial(starter.start, APPS / "sample"),
        }
        for request, (lazy, eager) in LAZINESS.items():
            later = (await starter.start(ROOT, request)).later
            turns[lazy] = partial(starter.start, ROOT, request)
            turns[eager] = partial(starter.start, ROOT, request, later)
        starts = await take_turns(turns, rounds, lambda text: say(f"start: {text}"))
        notes = [_lazy_note(starts, request) for request in LAZINESS]
        for request in LAZINESS:
            notes.append(_imports_note(request, await starter.measure_imports(request)))
    return Report("start", TITLE, _figures(starts), notes)


def _figures(starts: Mapping[str, list[Start]]) -> list[Figure]:
    return [
        compare("indexed", "ms", starts, lambda start: start.indexed, INDEXED_GOAL),
        compare("answered", "ms", starts, lambda start: start.answered, ANSWERED_GOAL),
        compare("memory", "MB", starts, lambda start: start.memory, MEMORY_GOAL),
    ]


def _lazy_note(starts: Mapping[str, list[Start]], request: str) -> str:
    """Describe what lazy imports save before the first request and cost in it."""
    lazy, eager = (starts[name] for name in LAZINESS[request])
    pairs = list(zip(lazy, eager, strict=True))
    saved = median(two.indexed - one.indexed for one, two in pairs)
    cost = median((one.answered - one.indexed) - (two.answered - two.indexed) for one, two in pairs)
    return (
        f"Lazy imports of a first {request}: they save {round(saved)} ms until the functions are "
        f"indexed, and cost {round(cost)} ms in that request."
    )


def _imports_note(request: str, sums: Mapping[str, float]) -> str:
    largest = ", ".join(f"{name} {ms:.0f}" for name, ms in list(sums.items())[:LARGEST])
    return (
        f"The largest imports until a first {request} is answered, in ms with -X importtime, which "
        f"slows them down: {largest}; total {sum(sums.values()):.0f}."
    )
