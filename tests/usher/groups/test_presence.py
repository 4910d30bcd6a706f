from datetime import UTC, datetime

import pytest

from usher.groups.presence import (
    Changes,
    checksum,
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


def test_a_list_that_does_not_show_a_change_is_corrected() -> None:
    """A newcomer counts, and a connection that has left does not."""
    changes = Changes(joined={"c-9": "cy", "c-1": "ana"}, left={"c-2": "bo", "c-8": "di"})
    missing = changes.find_missing(LISTED, 2)
    assert (missing.joined, missing.left) == ({"c-9": "cy"}, {"c-2": "bo"})
    assert count_connections(changes.correct(LISTED, missing)) == {"ana": 2, "": 1, "cy": 1}


def test_a_change_that_no_list_shows_is_given_up() -> None:
    """Then the list is right: the connection has left since, or is there again."""
    changes = Changes(joined={"c-9": "cy"})
    for _ in range(2):
        changes = changes.find_missing(LISTED, 2)
        assert changes.joined == {"c-9": "cy"}
    missing = changes.find_missing(LISTED, 2)
    assert not missing
    assert "cy" not in count_connections(changes.correct(LISTED, missing))


def test_a_truncated_list_is_not_stale_because_it_misses_a_newcomer() -> None:
    """The newcomer is beyond what was read, so it counts."""
    changes = Changes(joined={"c-9": "cy"})
    missing = changes.find_missing(LONG, 2)
    assert not missing
    assert count_connections(changes.correct(LONG, missing))["cy"] == 1
