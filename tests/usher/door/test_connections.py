import pytest

from usher.door import connections
from usher.door.connections import KNOWN_FOR, OpenConnections
from usher.errors import TooManyError


class Clock:
    """A clock that only the test advances; in nanoseconds."""

    now = 10**9

    def __call__(self) -> int:
        return self.now


def is_full(opened: OpenConnections, user_id: str | None, connection_id: str = "new") -> bool:
    try:
        opened.check(user_id, connection_id)
    except TooManyError:
        return True
    return False


def test_a_user_has_at_most_that_many_open_connections() -> None:
    """Each user counts alone, and a connection that ends makes room."""
    opened = OpenConnections(2)
    for number in range(2):
        assert not is_full(opened, "ana")
        opened.add("ana", f"c-{number}")
    assert is_full(opened, "ana")
    assert not is_full(opened, "bo")
    opened.remove("c-0")
    assert not is_full(opened, "ana")


def test_a_connection_counts_once() -> None:
    """`connect` and `connected` both add it, and the service may repeat both."""
    opened = OpenConnections(2)
    for _ in range(5):
        assert not is_full(opened, "ana", "c-1")
        opened.add("ana", "c-1")
    assert not is_full(opened, "ana")
    opened.add("ana", "c-2")
    assert not is_full(opened, "ana", "c-2")
    opened.remove("c-1")
    opened.remove("c-1")
    opened.add("ana", "c-3")
    assert is_full(opened, "ana")


def test_a_connection_whose_end_is_never_seen_is_forgotten() -> None:
    """Another instance may get the event, or no instance."""
    clock = Clock()
    opened = OpenConnections(1, clock)
    opened.add("ana", "c-1")
    clock.now += KNOWN_FOR - 1
    assert is_full(opened, "ana")
    clock.now += 1
    assert not is_full(opened, "ana")
    assert not opened._known
    assert not opened._counts


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection that was added longest ago is forgotten first."""
    monkeypatch.setattr(connections, "MOST_KNOWN", 3)
    opened = OpenConnections(1)
    for number in range(5):
        opened.add(f"user-{number}", f"c-{number}")
    assert [is_full(opened, f"user-{number}") for number in range(5)] == [False, False, *[True] * 3]
    assert len(opened._known) == len(opened._counts) == 3


@pytest.mark.parametrize("most", [0, 1])
def test_without_a_limit_or_a_user_nothing_is_counted(most: int) -> None:
    opened = OpenConnections(most)
    user_id = "ana" if most == 0 else None
    for number in range(3):
        assert not is_full(opened, user_id)
        opened.add(user_id, f"c-{number}")
    assert not opened._known
