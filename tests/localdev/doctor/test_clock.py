"""Tests of localdev/doctor/clock.py."""

import pytest

from localdev.doctor.clock import check_clock, judge_clocks
from localdev.doctor.findings import Level
from tests.localdev.doctor.patients import make_patient, make_token


@pytest.mark.parametrize(
    ("ahead", "level", "saw"),
    [
        ({"the app": 1.0, "the service": -1.0}, Level.OK, "the clocks agree"),
        (
            {"the app": 70.0, "the service": 0.0},
            Level.WARNING,
            "the clock of the app is 70 s ahead of the service's",
        ),
        (
            {"the app": 0.0, "the service": 0.0, "the token": -400.0},
            Level.FAILURE,
            "the clock of the token is 400 s behind the service's",
        ),
        (
            {"the app": 0.0, "the service": 400.0},
            Level.FAILURE,
            "the clock of the app is 400 s behind the service's",
        ),
        (
            {"the app": 600.0, "the service": 600.0, "the token": 601.0},
            Level.WARNING,
            "the clock of this machine is 600 s behind the others",
        ),
    ],
)
def test_clocks(ahead: dict[str, float], level: Level, saw: str) -> None:
    """Tokens must suit the service; this machine's own clock is nobody else's fault."""
    finding = judge_clocks(ahead)
    assert (finding.level, finding.saw) == (level, saw)


async def test_nobody_knows_the_service() -> None:
    """Then there is nothing to compare with."""
    async with make_patient() as patient:
        assert (await check_clock(patient)).level is Level.SKIPPED


async def test_a_service_that_does_not_answer_from_here() -> None:
    """The journey tells what follows."""
    async with make_patient(token=make_token("ws://127.0.0.1:9/client/hubs/chat")) as patient:
        finding = await check_clock(patient)
    assert finding.level is Level.SKIPPED
    assert "http://127.0.0.1:9 does not answer from here (Connection refused)" in finding.saw
