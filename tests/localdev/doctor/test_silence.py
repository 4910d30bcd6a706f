"""Tests of localdev/doctor/silence.py, where nobody can be asked."""

from typing import Any, cast

import pytest

from localdev.doctor.client import Client
from localdev.doctor.findings import Level
from localdev.doctor.silence import Heard, explain_silence
from tests.localdev.doctor.patients import make_patient, make_token


@pytest.mark.parametrize(
    ("join", "leave", "level", "means"),
    [
        (None, 1.0, Level.WARNING, "does not send connected, or USHER_JOIN_TEXT is empty."),
        (1.0, None, Level.WARNING, "does not send disconnected, or USHER_LEAVE_TEXT is empty."),
        (None, None, Level.FAILURE, "is missing, or does not send all events."),
    ],
)
async def test_without_any_key(
    join: float | None, leave: float | None, level: Level, means: str
) -> None:
    """In local mode every page gets in, so that connect cannot be tried either."""
    nobody = cast(Client, None)
    async with make_patient(mode="local") as patient:
        finding = await explain_silence(patient, make_token(), nobody, Heard(join, leave))
    assert finding.level is level
    assert finding.means.endswith(means)


async def test_a_crowd() -> None:
    """Somebody else is told of, so that nobody can say why the doctor is not."""
    async with make_patient(mode="local") as patient:
        heard = Heard(None, None, others=3)
        finding = await explain_silence(patient, make_token(), cast(Client, None), heard)
    assert (finding.level, "--group" in finding.fix) == (Level.WARNING, True)
    assert finding.saw.endswith("of others 3 times")


@pytest.mark.parametrize(
    ("heard", "silent"),
    [
        ({"join": 1.0, "leave": 1.0}, ()),
        ({"join": None, "leave": 1.0}, ("connected",)),
        ({"join": 1.0, "leave": None}, ("disconnected",)),
        ({"join": None, "leave": None}, ("connected", "disconnected")),
        ({"join": None, "leave": None, "tells_joins": False}, ("disconnected",)),
        ({"join": None, "leave": None, "tells_joins": False, "tells_leaves": False}, ()),
    ],
)
def test_what_should_have_been_heard(heard: dict[str, Any], silent: tuple[str, ...]) -> None:
    """Not what the settings keep quiet."""
    assert Heard(**heard).silent == silent
