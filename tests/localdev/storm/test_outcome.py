from typing import Any

import pytest

from localdev.storm.outcome import Outcome, describe, percentiles
from localdev.storm.records import Join, Records
from tests.localdev.storm.outcomes import CALM, spoil


def complaints(outcome: Outcome, is_calm: bool = True) -> list[str]:
    return outcome.complaints(may_fail=not is_calm, may_be_untold=not is_calm)


def test_percentiles() -> None:
    """Of few samples, too, and never beyond them."""
    assert percentiles([]) is None
    assert percentiles([3.0]) == (3.0, 3.0)
    assert percentiles(range(101)) == (50, 99)


def test_a_calm_storm() -> None:
    """There is nothing to say."""
    assert complaints(CALM) == complaints(CALM, is_calm=False) == []


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ({"missing": 1}, "1 members are missing"),
        ({"told": 99}, "100 joined, 99 were told of and 0 are explained"),
        ({"told": 101, "first_heard": 101}, "100 joined, 101 were told of"),
        ({"first_heard": 99}, "the first client heard of 99 joins, and 100 were told of"),
        ({"first_heard": 101}, "the first client heard of 101 joins"),
        ({"repeated": 2}, "2 times a user was shown again"),
    ],
)
def test_what_must_not_be(spoilt: dict[str, Any], told: str) -> None:
    """Whether there are faults or not."""
    for is_calm in (True, False):
        assert complaints(spoil(**spoilt), is_calm)[0].startswith(told)


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ({"doubles": 3}, "3 doubles came"),
        ({"joins": 99, "told": 99, "first_heard": 99, "failures": {"x": 1}}, "1 clients failed"),
        ({"told": 97, "untold": {"x": 3}}, "3 joins were not told of"),
    ],
)
def test_what_faults_bring_about(spoilt: dict[str, Any], told: str) -> None:
    """It is wrong without them only."""
    assert complaints(spoil(**spoilt)) == [told]
    assert complaints(spoil(**spoilt), is_calm=False) == []


def test_a_first_client_that_is_gone() -> None:
    """It cannot be asked what it heard."""
    assert complaints(spoil(first_heard=None)) == []


def join(connection_id: str, at: float, told: int, is_sent: bool) -> Join:
    return Join(0, connection_id, at, told, is_sent, None, 0.25)


def test_the_three_views_together() -> None:
    """Times are since the start; who is gone is no missing member; the first record counts."""
    heard = {
        "started_at": 10.0,
        "negotiating": (0.1, 0.2),
        "opening": None,
        "opened_at": {"a": 10.0, "b": 12.0, "c": 11.0},
        "gone": ["c"],
        "failures": {"closed": 1},
        "deliveries": 3,
        "last_arrival": 14.5,
        "spread": (0.0, 0.1),
        "doubles": 0,
        "repeated": 0,
        "first_heard": 3,
    }
    joins = [join("a", 11.0, 1, True), join("b", 13.0, 2, True), join("a", 19.0, 0, False)]
    joins.append(join("c", 12.0, 0, False))
    outcome = describe(heard, Records(joins=joins), ["a"], {"event-lost": 4})
    assert (outcome.joins, outcome.members, outcome.missing) == (3, 1, 1)
    assert (outcome.told, outcome.announcements, outcome.untold) == (3, 2, {})
    assert (outcome.seconds, outcome.quiet_seconds) == (2.0, 4.5)
    assert outcome.stages["open to record"] == (1.0, 1.0)
    assert outcome.stages["send to 202"] == (0.25, 0.25)
    assert outcome.faults == {"event-lost": 4}
