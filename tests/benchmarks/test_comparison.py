"""Two runs side by side, and the machine of a run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import export
from benchmarks.comparison import ComparisonError, compare_runs, read_run
from benchmarks.figures import Figure, Report
from benchmarks.machine import describe_machine, machine_line, read_processor
from localdev.stack import ROOT

MACHINE = {"processor": "Fast 1", "processors": 2, "platform": "Linux", "python": "3.13.0"}
SLOW = {"processor": "Slow 9", "processors": 4, "platform": "Linux"}


def make_run(measured: dict[str, list[float]], machine: dict[str, Any]) -> dict[str, Any]:
    """Return a run as `--json` writes it; each floor is 1."""
    figures = [Figure(name, "us", [1.0] * len(values), values) for name, values in measured.items()]
    return export([Report("negotiate", "CPU", figures)], machine)


def test_two_runs_side_by_side(tmp_path: Path) -> None:
    """Only intervals that do not overlap show a difference; figures of one run are left out."""
    before = {"key": [2.0, 2.2, 2.4], "identity": [4.0, 5.0, 6.0], "gone": [1.0]}
    file = tmp_path / "before.json"
    file.write_text(json.dumps(make_run(before, SLOW)))
    now = make_run({"key": [3.0, 3.3, 3.5], "identity": [4.5, 5.5, 5.6], "new": [1.0]}, MACHINE)
    assert compare_runs(read_run(file), now).splitlines() == [
        "compared, measured / floor of each run",
        "  before: Slow 9, 4 processors, Linux",
        "  now:    Fast 1, 2 processors, Linux, Python 3.13.0",
        "                           before       95 %   now       95 %  change    differs",
        "  negotiate: key, us         2.20  2.00-2.40  3.30  3.00-3.50    +50%        yes",
        "  negotiate: identity, us    5.00  4.00-6.00  5.50  4.50-5.60    +10%  undecided",
    ]


def test_runs_without_a_common_figure() -> None:
    runs = [make_run({name: [1.0]}, MACHINE) for name in ("a", "b")]
    assert compare_runs(*runs).splitlines()[-1] == "  no figure is in both"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file"),
        ("{", "was not written by --json"),
        ("[]", "was not written by --json"),
        ('{"machine": {}, "benchmarks": [{}]}', "was not written by --json"),
    ],
)
def test_a_file_without_a_run(content: str | None, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ComparisonError, match=reason):
        read_run(file)


def test_a_wrong_file_is_refused_before_the_run(tmp_path: Path) -> None:
    """The run takes minutes."""
    command = (sys.executable, "-m", "benchmarks", "--compare", str(tmp_path / "none.json"))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "none.json cannot be read" in done.stderr.splitlines()[-1]


def test_a_run_says_on_which_machine_it_was_made(tmp_path: Path) -> None:
    """First of all, and in the file; the file can be compared with the next run."""
    file = tmp_path / "run.json"
    command = (sys.executable, "-m", "benchmarks", "start", "--rounds", "1", "--json", str(file))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    machine = read_run(file)["machine"]
    assert done.stdout.splitlines()[0] == f"machine: {machine_line(machine)}"
    assert machine | {"load": None} == describe_machine() | {"load": None}


def test_the_processor(tmp_path: Path) -> None:
    """Linux names it in a file; other systems have the architecture at least."""
    file = tmp_path / "cpuinfo"
    assert read_processor(file)
    file.write_text("processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\n")
    assert read_processor(file) == "Fast CPU @ 3 GHz"
