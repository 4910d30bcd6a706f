"""Tests of localdev/doctor/clock.py."""

from typing import Any

import pytest

from localdev.doctor.calls import Answer
from localdev.doctor.clock import check_clock, check_token, judge_clocks
from localdev.doctor.context import APP, SERVICE
from localdev.doctor.findings import Level
from tests.localdev.doctor.contexts import make_context, make_token
from webpubsub_emulator import Emulator


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


@pytest.mark.parametrize(
    ("status", "seconds", "level"),
    [
        (401, -600.0, Level.FAILURE),
        (403, -600.0, Level.SKIPPED),
        (401, 90.0, Level.SKIPPED),
        (401, 1.0, Level.OK),
    ],
)
async def test_an_app_whose_service_is_unknown(status: int, seconds: float, level: Level) -> None:
    """It is the app's clock if Web PubSub rejects the app; otherwise it may be this machine's."""
    health = Answer(503, {}, f'{{"serviceStatus": {status}}}')
    async with make_context(health=health, clock_offsets={APP: seconds}) as context:
        finding = await check_clock(context)
    assert finding.level is level
    if level is Level.FAILURE:
        assert finding.saw == "the clock of the app is 600 s behind this machine's"


@pytest.mark.parametrize(
    ("offsets", "level"),
    [
        ({}, Level.FAILURE),
        ({SERVICE: 0.0}, Level.FAILURE),
        ({SERVICE: 0.0, APP: 0.0}, Level.FAILURE),
        ({SERVICE: 0.0, APP: -600.0}, Level.OK),
    ],
)
async def test_a_token_of_a_late_issuer(offsets: dict[str, float], level: Level) -> None:
    """What the check `clock` has seen of the app is not reported again."""
    async with Emulator() as emulator:
        url = emulator.endpoint.replace("http", "ws") + "/client/hubs/chat"
        token = make_token(url, issued_at=400)
        known: dict[str, Any] = {"clock_offsets": dict(offsets), "token_received_at": 1000.0}
        async with make_context(token=token, **known) as context:
            finding = await check_token(context)
    assert finding.level is level
    if level is Level.FAILURE:
        assert finding.saw.startswith("the clock of the token's issuer is ")


async def test_the_check_of_a_token_needs_one() -> None:
    async with make_context() as context:
        assert (await check_token(context)).level is Level.SKIPPED


async def test_a_service_that_does_not_answer_this_machine() -> None:
    """The journey finds the consequences."""
    async with make_context(token=make_token("ws://127.0.0.1:9/client/hubs/chat")) as context:
        finding = await check_clock(context)
    assert finding.level is Level.SKIPPED
    assert "http://127.0.0.1:9 does not answer this machine (Connection refused)" in finding.saw
