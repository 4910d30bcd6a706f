"""Tests of localdev/doctor/announcements.py without the keys to send events."""

from typing import Any, cast

import pytest

from localdev.doctor.announcements import Announcements, explain_missing
from localdev.doctor.client import Client
from localdev.doctor.findings import Level
from tests.localdev.doctor.contexts import make_context, make_token

NO_CLIENT = cast(Client, None)


@pytest.mark.parametrize(
    ("join", "leave", "level", "means"),
    [
        (None, 1.0, Level.WARNING, "does not send connected, or USHER_JOIN_TEXT is empty."),
        (1.0, None, Level.WARNING, "does not send disconnected, or USHER_LEAVE_TEXT is empty."),
        (None, None, Level.FAILURE, "has no event handler, or its event handler misses events."),
    ],
)
async def test_without_any_key(
    join: float | None, leave: float | None, level: Level, means: str
) -> None:
    """In local mode the app rejects no client, so the doctor cannot test connect."""
    async with make_context(mode="local") as context:
        received = Announcements(join, leave)
        finding = await explain_missing(context, make_token(), NO_CLIENT, received)
    assert finding.level is level
    assert finding.means.endswith(means)


@pytest.mark.parametrize(
    ("join", "leave", "means"),
    [
        (None, 1.0, "The event handler does not send connected."),
        (1.0, None, "does not send disconnected. Clients still show members who left."),
    ],
)
async def test_presence_without_an_event(
    join: float | None, leave: float | None, means: str
) -> None:
    """No text turns presence off, so the finding is certain."""
    async with make_context(mode="local") as context:
        received = Announcements(join, leave, has_presence=True)
        finding = await explain_missing(context, make_token(), NO_CLIENT, received)
    assert finding.level is Level.FAILURE
    assert finding.means.endswith(means)


async def test_a_busy_group() -> None:
    """A summary may have replaced the announcement, so its absence proves nothing."""
    async with make_context(mode="local") as context:
        received = Announcements(None, None, others=3)
        finding = await explain_missing(context, make_token(), NO_CLIENT, received)
    assert (finding.level, "--group" in finding.fix) == (Level.WARNING, True)
    assert finding.saw.endswith("but 3 of other users")


@pytest.mark.parametrize(
    ("received", "missing"),
    [
        ({"join_ms": 1.0, "leave_ms": 1.0}, ()),
        ({"join_ms": None, "leave_ms": 1.0}, ("connected",)),
        ({"join_ms": 1.0, "leave_ms": None}, ("disconnected",)),
        ({"join_ms": None, "leave_ms": None}, ("connected", "disconnected")),
        ({"join_ms": None, "leave_ms": None, "expects_join": False}, ("disconnected",)),
        (
            {"join_ms": None, "leave_ms": None, "expects_join": False, "expects_leave": False},
            (),
        ),
    ],
)
def test_only_expected_announcements_are_missing(
    received: dict[str, Any], missing: tuple[str, ...]
) -> None:
    assert Announcements(**received).missing == missing
