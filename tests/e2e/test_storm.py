"""Small storms on the whole stack. Their durations are not checked."""

import json
import subprocess
import sys
from statistics import median
from typing import Any

import pytest

from localdev.stack import ROOT

FAULTS = (
    "rest-throttled:rate=0.05,retry-after=1",
    "rest-error:rate=0.01,status=500",
    "late-visibility:ms=300",
    "event-duplicated:rate=0.02",
)


def storm(*options: str) -> list[dict[str, Any]]:
    """Run a storm, which must succeed, and return its runs."""
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


def test_many_joins() -> None:
    """No member is missing, every join is announced once, and the digest saves most deliveries."""
    runs = storm("--users", "240")
    with_digest, without = (run["outcomes"][0] for run in runs)
    for outcome in (with_digest, without):
        assert (outcome["joins"], outcome["members"], outcome["missing"]) == (240, 240, 0)
        assert (outcome["failures"], outcome["doubles"], outcome["repeated"]) == ({}, 0, 0)
    assert (with_digest["announced"], with_digest["first_heard"]) == (240, 240)
    assert without["announcements"] == without["announced"] > 120
    assert with_digest["deliveries"] < 0.1 * without["deliveries"]


def test_many_joins_with_faults() -> None:
    """No member is missing or shown twice, and the records explain every unannounced join."""
    faults = [option for fault in FAULTS for option in ("--fault", fault)]
    (run,) = storm("--users", "200", "--digest", "on", "--seed", "3", *faults)
    (outcome,) = run["outcomes"]
    assert (outcome["joins"], outcome["members"], outcome["missing"]) == (200, 200, 0)
    assert outcome["announced"] + sum(outcome["unannounced"].values()) == 200
    assert outcome["announced"] <= outcome["first_heard"] <= 200
    assert outcome["repeated"] == 0
    assert list(outcome["faults"]) == list(FAULTS)
    assert all(outcome["faults"].values())


def test_a_crowd_in_presence_format() -> None:
    """Every client shows every user with the right number of tabs, after few messages.

    The storm itself fails if a client shows others, or if the group is listed too often.
    """
    (run,) = storm("--users", "240", "--format", "presence", "--digest", "on")
    (outcome,) = run["outcomes"]
    assert (outcome["joins"], outcome["members"], outcome["first_heard"]) == (240, 240, 240)
    assert (outcome["wrong"], outcome["failures"]) == (0, {})
    # The first client's snapshot, and messages to the group.
    assert 0 < outcome["announcements"] <= outcome["lists"]
    assert outcome["deliveries"] < 0.1 * 240 * 241 / 2


@pytest.fixture(scope="module")
def many_storms() -> dict[str, Any]:
    """Return a run of five storms on two instances."""
    (run,) = storm("--users", "50", "--rounds", "5", "--digest", "on", "--instances", "2")
    return run


def test_several_instances(many_storms: dict[str, Any]) -> None:
    """Each announces some of the joins, and together they announce all."""
    for outcome in many_storms["outcomes"]:
        one, other = outcome["announced_by_instance"]
        assert one + other == 50
        assert min(one, other) > 0


def test_memory_is_flat(many_storms: dict[str, Any]) -> None:
    """Later storms reuse the memory of the first ones."""
    for name in ("host", "emulator"):
        after = [largest(usage, name) for usage in many_storms["after"]]
        assert median(after[-3:]) - after[1] < 1.5


def largest(usage: dict[str, Any], name: str) -> float:
    """Return the MB of the emulator, or of the largest instance."""
    uses = usage["hosts"] if name == "host" else [usage["emulator"]]
    return float(max(use["megabytes"] for use in uses))
