"""Small storms on the whole stack. What they take of time is not looked at."""

import json
import subprocess
import sys
from statistics import median
from typing import Any

import pytest

from localdev.stack import ROOT
from localdev.storm.stack import HAS_ACCOUNTING

FAULTS = (
    "rest-throttled:rate=0.05,retry-after=1",
    "rest-error:rate=0.01,status=500",
    "late-visibility:ms=300",
    "event-duplicated:rate=0.02",
)


def storm(*options: str) -> list[dict[str, Any]]:
    """The runs of a storm that must be as it should."""
    done = subprocess.run(
        [sys.executable, "-m", "localdev", "storm", "--json", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "storm, digest on, round 1 of" in done.stderr
    runs: list[dict[str, Any]] = json.loads(done.stdout)["runs"]
    return runs


def test_a_crowd() -> None:
    """Nobody is missing, all are told of once, and the digest saves nearly all deliveries."""
    runs = storm("--users", "240")
    with_digest, without = (run["outcomes"][0] for run in runs)
    for outcome in (with_digest, without):
        assert (outcome["joins"], outcome["members"], outcome["missing"]) == (240, 240, 0)
        assert (outcome["failures"], outcome["doubles"], outcome["repeated"]) == ({}, 0, 0)
    assert (with_digest["told"], with_digest["first_heard"]) == (240, 240)
    assert without["announcements"] == without["told"] > 120
    assert with_digest["deliveries"] < 0.05 * without["deliveries"]


def test_a_crowd_under_faults() -> None:
    """Nobody is missing or shown again, and who was not told of is explained by the records."""
    faults = [option for fault in FAULTS for option in ("--fault", fault)]
    (run,) = storm("--users", "200", "--digest", "on", "--seed", "3", *faults)
    (outcome,) = run["outcomes"]
    assert (outcome["joins"], outcome["members"], outcome["missing"]) == (200, 200, 0)
    assert outcome["told"] + sum(outcome["untold"].values()) == 200
    assert outcome["told"] <= outcome["first_heard"] <= 200
    assert outcome["repeated"] == 0
    assert list(outcome["faults"]) == list(FAULTS)
    assert all(outcome["faults"].values())


@pytest.fixture(scope="module")
def many_storms() -> dict[str, Any]:
    """The run of five storms on two instances."""
    (run,) = storm("--users", "50", "--rounds", "5", "--digest", "on", "--instances", "2")
    return run


def test_several_instances(many_storms: dict[str, Any]) -> None:
    """Each tells of a part, and together they tell of all."""
    for outcome in many_storms["outcomes"]:
        one, other = outcome["told_by_instance"]
        assert one + other == 50
        assert min(one, other) > 0


@pytest.mark.skipif(not HAS_ACCOUNTING, reason="needs /proc")
def test_memory_is_flat(many_storms: dict[str, Any]) -> None:
    """What the first storms have filled, later ones use again."""
    for name in ("host", "emulator"):
        after = [largest(usage, name) for usage in many_storms["after"]]
        assert median(after[-3:]) - after[1] < 1.5


def largest(usage: dict[str, Any], name: str) -> float:
    """MB of the emulator, or of the instance that has most."""
    uses = usage["hosts"] if name == "host" else [usage["emulator"]]
    return float(max(use["megabytes"] for use in uses))
