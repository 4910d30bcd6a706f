"""The benchmarks of the emulator run, with few clients. Their results are not checked."""

import json
import subprocess
import sys

import pytest

from benchmarks import fanout, idle, slow
from benchmarks.__main__ import export
from benchmarks.children import ROOT, BenchmarkError
from benchmarks.figures import Figure, Report
from benchmarks.machine import describe_machine
from benchmarks.processes import run_audience, run_floor


async def test_fanout_measures_every_kind_of_client_in_every_round() -> None:
    progress: list[str] = []
    report = await fanout.measure(2, progress.append, clients=3, broadcasts=2)
    assert [len(figure.measured) for figure in report.figures] == [2, 2, 2]
    assert [len(figure.floor) for figure in report.figures] == [2, 2, 2]
    assert progress == ["fanout: warm-up", "fanout: round 1 of 2", "fanout: round 2 of 2"]


async def test_idle_measures_growth_at_each_step() -> None:
    report = await idle.measure(1, lambda text: None, steps=(100, 200))
    assert [figure.name for figure in report.figures] == ["100 connections", "200 connections"]
    assert all(figure.measured[0] > 0 for figure in report.figures)


async def test_slow_ends_with_the_last_message_if_the_client_stays() -> None:
    report = await slow.measure(1, lambda text: None, clients=2, most=3)
    assert [figure.unit for figure in report.figures] == ["ms", "ms"]
    assert report.notes == ["The slow client was still connected after 3 messages."]


async def test_a_process_that_ends_is_an_error() -> None:
    """The benchmark does not wait for it forever."""
    async with run_floor() as server, run_audience(server) as audience:
        await audience.connect(1)
        assert await audience.count_open() == 1
        with pytest.raises(BenchmarkError, match="ended by itself"):
            await audience.child.call("no such command")


def test_a_limit_of_open_files_is_an_error_before_the_start() -> None:
    script = (
        "import asyncio, resource; from benchmarks import idle;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200));"
        "asyncio.run(idle.measure(1, print))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    message = "BenchmarkError: A process may open 200 files here; 5,150 are needed."
    assert done.stderr.splitlines()[-1].endswith(message)


def test_an_unknown_name_is_refused_before_anything_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks", "speed"]
    bad = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "unknown: speed" in bad.stderr


def test_the_json_has_samples_machine_and_versions() -> None:
    figure = Figure("p50", "ms", [1.0], [3.0])
    found = json.loads(json.dumps(export([Report("slow", "delay", [figure])], describe_machine())))
    assert found["benchmarks"][0]["figures"][0]["ratios"] == [3.0]
    assert found["packages"]["aiohttp"]
    assert found.keys() == {"machine", "packages", "benchmarks"}
    assert {"processor", "processors", "platform", "python"} <= found["machine"].keys()
