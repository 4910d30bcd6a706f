"""Tests of localdev/doctor/clock.py."""

import pytest

from localdev.doctor.clock import check_clock, judge_clocks
from localdev.doctor.findings import Level
from tests.localdev.doctor.contexts import make_context, make_token


@pytest.mark.parametrize(
    ("offsets", "level", "saw"),
    [
        ({"the app": 1.0, "the service": -1.0}, Level.OK, "the clocks agree"),
        (
            {"the app": 70.0, "the service": 0.0},
            Level.WARNING,
            "the clock of the app is 70 s ahead of the service's",
        ),
        (
            {"the app": 0.0, "the service": 0.0, "the token's issuer": -400.0},
            Level.FAILURE,
            "the clock of the token's issuer is 400 s behind the service's",
        ),
        (
            {"the app": 0.0, "the service": 400.0},
            Level.FAILURE,
            "the clock of the app is 400 s behind the service's",
        ),
        (
            {"the app": 600.0, "the service": 600.0, "the token's issuer": 601.0},
            Level.WARNING,
            "the clock of this machine is 600 s behind the others",
        ),
    ],
)
def test_clocks_are_compared_with_the_service(
    offsets: dict[str, float], level: Level, saw: str
) -> None:
    """A wrong clock of this machine is a warning, because clients do not depend on it."""
    finding = judge_clocks(offsets)
    assert (finding.level, finding.saw) == (level, saw)


async def test_an_unknown_service() -> None:
    async with make_context() as context:
        assert (await check_clock(context)).level is Level.SKIPPED


async def test_a_service_that_does_not_answer_this_machine() -> None:
    """The journey finds the consequences."""
    async with make_context(token=make_token("ws://127.0.0.1:9/client/hubs/chat")) as context:
        finding = await check_clock(context)
    assert finding.level is Level.SKIPPED
    assert "http://127.0.0.1:9 does not answer this machine (Connection refused)" in finding.saw
