"""The benchmarks work, with few clients. What they measure is not looked at: it is no test."""

import json
import subprocess
import sys

import pytest

from benchmarks import fanout, idle, slow
from benchmarks.__main__ import everything
from benchmarks.children import HAS_ACCOUNTING, ROOT, BenchmarkError
from benchmarks.figures import Figure, Report
from benchmarks.processes import run_audience, run_floor

needs_accounting = pytest.mark.skipif(not HAS_ACCOUNTING, reason="needs /proc")


@needs_accounting
async def test_fanout() -> None:
    """Every kind of client gets what is broadcast, in every round."""
    said: list[str] = []
    report = await fanout.measure(2, said.append, clients=3, broadcasts=2)
    assert [len(figure.measured) for figure in report.figures] == [2, 2, 2]
    assert [len(figure.floor) for figure in report.figures] == [2, 2, 2]
    assert said == ["fanout: warm-up", "fanout: round 1 of 2", "fanout: round 2 of 2"]


@needs_accounting
async def test_idle() -> None:
    """One figure for each step, and the process does grow."""
    report = await idle.measure(1, lambda text: None, steps=(100, 200))
    assert [figure.name for figure in report.figures] == ["100 connections", "200 connections"]
    assert all(figure.measured[0] > 0 for figure in report.figures)


async def test_slow() -> None:
    """The round ends with the last message where the slow client stays."""
    report = await slow.measure(1, lambda text: None, clients=2, most=3)
    assert [figure.unit for figure in report.figures] == ["ms", "ms"]
    assert report.notes == ["The slow client was still connected after 3 messages."]


async def test_what_breaks_is_told() -> None:
    """A process that ends is an error, and no endless wait."""
    async with run_floor() as server, run_audience(server) as audience:
        await audience.connect(1)
        assert await audience.count_open() == 1
        with pytest.raises(BenchmarkError, match="ended by itself"):
            await audience.child.call("no such command")


@needs_accounting
def test_too_many_connections_are_told() -> None:
    """Before anything is started."""
    script = (
        "import asyncio, resource; from benchmarks import idle;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200));"
        "asyncio.run(idle.measure(1, print))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    told = "BenchmarkError: A process may open 200 files here; 5,150 are needed."
    assert done.stderr.splitlines()[-1].endswith(told)


def test_an_unknown_name_is_refused() -> None:
    """Before anything is measured."""
    command = [sys.executable, "-m", "benchmarks", "speed"]
    bad = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "unknown: speed" in bad.stderr


def test_the_json_has_everything() -> None:
    """Samples, machine and versions, as JSON."""
    figure = Figure("p50", "ms", [1.0], [3.0])
    found = json.loads(json.dumps(everything([Report("slow", "delay", [figure])])))
    assert found["benchmarks"][0]["figures"][0]["ratios"] == [3.0]
    assert found["packages"]["aiohttp"]
    assert found.keys() == {"machine", "python", "packages", "benchmarks"}
