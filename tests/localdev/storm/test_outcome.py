from dataclasses import replace
from typing import Any

import pytest

from localdev.storm.outcome import Join, Outcome, Records, describe, percentiles, write_users
from tests.localdev.storm.outcomes import CALM, changed


def complaints(outcome: Outcome, is_calm: bool = True) -> list[str]:
    return outcome.complaints(may_fail=not is_calm, may_be_unannounced=not is_calm)


def test_percentiles() -> None:
    """They stay within the samples, also if there are few."""
    assert percentiles([]) is None
    assert percentiles([3.0]) == (3.0, 3.0)
    assert percentiles(range(101)) == (50, 99)


def test_a_calm_storm_has_no_complaints() -> None:
    assert complaints(CALM) == complaints(CALM, is_calm=False) == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"missing": 1}, "1 members are missing"),
        (
            {"announced": 99},
            "100 clients joined, 99 joins were announced and the records explain 0 others",
        ),
        (
            {"announced": 101, "first_heard": 101},
            "100 clients joined, 101 joins were announced",
        ),
        ({"first_heard": 99}, "the first client received 99 joins, and 100 were announced"),
        ({"first_heard": 101}, "the first client received 101 joins"),
        ({"repeated": 2}, "2 users were shown twice"),
        ({"lists": 4}, "the group was listed 4 times in 1.2 s"),
    ],
)
def test_errors_with_and_without_faults(changes: dict[str, Any], complaint: str) -> None:
    for is_calm in (True, False):
        assert complaints(changed(**changes), is_calm)[0].startswith(complaint)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"doubles": 3}, "3 duplicates arrived"),
        ({"wrong": 2}, "2 clients show other users than the service"),
        (
            {"joins": 99, "announced": 99, "first_heard": 99, "failures": {"x": 1}},
            "1 clients failed",
        ),
        ({"announced": 97, "unannounced": {"x": 3}}, "3 joins were not announced"),
    ],
)
def test_errors_only_without_faults(changes: dict[str, Any], complaint: str) -> None:
    assert complaints(changed(**changes)) == [complaint]
    assert complaints(changed(**changes), is_calm=False) == []


def test_a_first_client_that_closed_is_not_checked() -> None:
    assert complaints(changed(first_heard=None)) == []


def join(connection_id: str, at: float, announced: int, is_sent: bool) -> Join:
    return Join(0, connection_id, at, announced, is_sent, None, 0.25, messages=int(is_sent))


RECEIVED = {
    "started_at": 10.0,
    "negotiating": (0.1, 0.2),
    "opening": None,
    "opened_at": {"a": 10.0, "b": 12.0, "c": 11.0},
    "closed": ["c"],
    "failures": {"closed": 1},
    "deliveries": 3,
    "last_arrival": 14.5,
    "spread": (0.0, 0.1),
    "duplicates": 0,
    "repeated": 0,
    "first_received": 3,
    "presence": {write_users({}): 2},
}


def test_clients_records_and_service_are_combined() -> None:
    """Times count from the start, closed clients are not missing, and first records count."""
    joins = [join("a", 11.0, 1, True), join("b", 13.0, 2, True), join("a", 19.0, 0, False)]
    joins.append(join("c", 12.0, 0, False))
    outcome = describe(RECEIVED, Records(joins=joins), {"a": "u1"}, {"event-lost": 4})
    assert (outcome.joins, outcome.members, outcome.missing) == (3, 1, 1)
    assert (outcome.announced, outcome.announcements, outcome.unannounced) == (3, 2, {})
    assert (outcome.seconds, outcome.quiet_seconds) == (2.0, 4.5)
    assert outcome.stages["open to record"] == (1.0, 1.0)
    assert outcome.stages["send to 202"] == (0.25, 0.25)
    assert outcome.faults == {"event-lost": 4}
    assert (outcome.lists, outcome.wrong) == (0, 0)


def test_in_presence_format_each_client_is_compared_with_the_service() -> None:
    """Users in any order, with their numbers of connections."""
    members = {"a": "u1", "b": "u2", "c": "u1"}
    shown = {write_users({"u2": 1, "u1": 2}): 3, write_users({"u1": 2}): 2}
    received = {**RECEIVED, "presence": shown}
    joins = [replace(join("a", 11.0, 3, True), lists=2, messages=4)]
    outcome = describe(received, Records(joins=joins), members, {})
    assert (outcome.lists, outcome.announcements, outcome.wrong) == (2, 4, 2)
