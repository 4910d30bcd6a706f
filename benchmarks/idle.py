"""Resident memory of the server for each idle connection."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from benchmarks.children import BenchmarkError
from benchmarks.figures import Figure, Goal, Report
from benchmarks.processes import Server, allow_connections, run_audience, run_emulator, run_floor

ROUNDS = 3
STEPS = (1_000, 5_000)
WARM_UP = 50  # connections that are open, and stay open, before the growth is measured
SUBPROTOCOL = "json.webpubsub.azure.v1"
GOAL = Goal(20.0, of_ratio=False)

type _Run = Callable[[], AbstractAsyncContextManager[Server]]


async def measure(rounds: int, say: Callable[[str], None], steps: Sequence[int] = STEPS) -> Report:
    """Measure the emulator, each client being a user in one group, and the bare server."""
    title = "resident memory per idle connection (1 KB = 1,024 bytes); the floor is a bare server"
    allow_connections(max(steps) + WARM_UP)
    floor, emulator = [], []
    for number in range(rounds):
        say(f"idle: round {number + 1} of {rounds}")
        floor.append(await _growth(run_floor, steps))
        emulator.append(await _growth(run_emulator, steps))
    figures = [
        Figure(
            f"{step:,} connections",
            "KB",
            [growth[place] for growth in floor],
            [growth[place] for growth in emulator],
            GOAL,
        )
        for place, step in enumerate(steps)
    ]
    notes = [f"All {max(steps):,} connections opened and stayed open, in every round."]
    return Report("idle", title, figures, notes)


async def _growth(run: _Run, steps: Sequence[int]) -> list[float]:
    """Return KB per connection at each step.

    Each call starts a new process, because a process reuses memory that it once freed.
    """
    growth = []
    async with run() as server, run_audience(server) as audience:
        await audience.connect(WARM_UP, SUBPROTOCOL)
        base, connected = server.child.resident_bytes(), 0
        for step in steps:
            await audience.connect(step - connected, SUBPROTOCOL)
            connected = step
            _check_open(await audience.count_open(), step + WARM_UP)
            growth.append((server.child.resident_bytes() - base) / step / 1024)
    return growth


def _check_open(found: int, expected: int) -> None:
    if found != expected:
        raise BenchmarkError(f"Only {found:,} of {expected:,} connections are open.")
