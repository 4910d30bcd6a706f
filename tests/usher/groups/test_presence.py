from datetime import UTC, datetime, timedelta

import pytest

from usher.groups.presence import (
    Change,
    checksum,
    correct,
    count_connections,
    format_as_of,
    write_changes,
    write_snapshot,
)
from usher.service.group_list import GroupList

NOON = datetime(2026, 11, 26, 12, 0, 7, tzinfo=UTC)
LISTED = GroupList(NOON, {"c-1": "ana", "c-2": "bo", "c-3": "ana", "c-4": ""}, truncated=False)
LONG = GroupList(NOON, LISTED.connections, truncated=True)


def test_a_user_with_two_connections_is_one_user() -> None:
    assert count_connections(LISTED) == {"ana": 2, "bo": 1, "": 1}


def test_a_snapshot_has_all_users() -> None:
    assert write_snapshot("lobby", LISTED) == {
        "type": "presence",
        "group": "lobby",
        "asOf": "2026-11-26T12:00:07Z",
        "users": {"ana": 2, "bo": 1, "": 1},
        "gone": [],
        "count": 3,
        "checksum": checksum({"ana": 2, "bo": 1, "": 1}),
        "truncated": False,
        "snapshot": True,
    }


def test_a_change_has_only_its_users() -> None:
    """Those without a connection are gone; count and checksum are about the whole list."""
    message = write_changes("lobby", LISTED, {"ana", "cy"})
    assert message == write_snapshot("lobby", LISTED) | {
        "users": {"ana": 2},
        "gone": ["cy"],
        "snapshot": False,
    }


def test_a_truncated_list_has_no_count_and_no_checksum() -> None:
    message = write_snapshot("lobby", LONG)
    assert (message["count"], message["checksum"], message["truncated"]) == (None, None, True)
    assert message["users"] == {"ana": 2, "bo": 1, "": 1}


@pytest.mark.parametrize(
    ("users", "expected"),
    [({}, "00000000"), ({"ana": 1}, "4054321a"), ({"ana": 2, "": 1, "é": 3}, "126bd3d5")],
)
def test_known_checksums(users: dict[str, int], expected: str) -> None:
    """The browser module computes the same."""
    assert checksum(users) == expected


def test_a_checksum_depends_on_the_pairs_and_not_on_their_order() -> None:
    assert checksum({"ana": 1, "bo": 2}) == checksum({"bo": 2, "ana": 1})
    assert checksum({"ana": 1, "bo": 2}) != checksum({"ana": 2, "bo": 1})


def test_a_moment_has_whole_seconds() -> None:
    assert format_as_of(NOON.replace(microsecond=999_999)) == "2026-11-26T12:00:07Z"


def test_a_list_shows_a_join_by_the_connection_and_a_leave_without_it() -> None:
    assert Change("c-1", "ana", is_join=True).is_shown(LISTED)
    assert Change("c-9", "ana", is_join=False).is_shown(LISTED)
    assert not Change("c-9", "cy", is_join=True).is_shown(LISTED)
    assert not Change("c-2", "bo", is_join=False).is_shown(LISTED)


@pytest.mark.parametrize(("seconds", "is_shown"), [(-0.001, True), (0, False), (0.999, False)])
def test_a_leave_needs_a_list_of_a_later_second(seconds: float, is_shown: bool) -> None:
    """Within one second, a list with the connection would win over this one."""
    left_at = NOON + timedelta(seconds=seconds)
    assert Change("c-9", "cy", is_join=False, at=left_at).is_shown(LISTED) is is_shown


def test_a_truncated_list_is_not_stale_because_it_misses_a_newcomer() -> None:
    """The newcomer can be beyond what was read."""
    assert Change("c-9", "cy", is_join=True).is_shown(LONG)
    assert not Change("c-1", "ana", is_join=False).is_shown(LONG)


def test_a_corrected_list_has_the_newcomers_and_not_those_who_left() -> None:
    changes = [Change("c-9", "cy", is_join=True), Change("c-2", "bo", is_join=False)]
    corrected = correct(LISTED, [*changes, Change("c-8", "di", is_join=False)])
    assert count_connections(corrected) == {"ana": 2, "": 1, "cy": 1}
    assert (corrected.as_of, corrected.truncated) == (NOON, False)
