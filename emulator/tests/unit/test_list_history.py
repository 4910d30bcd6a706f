"""Tests of list_history.py, with a clock of their own."""

import pytest

from unit.samples import enter, handshake
from webpubsub_emulator import list_history
from webpubsub_emulator.faults import Faults, parse_fault
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.list_history import ListHistory


class Room:
    """Group g of one hub, at a time that tests set."""

    def __init__(self, *faults: str) -> None:
        self.now = 1000.0
        self.faults = Faults([parse_fault(text) for text in faults])
        self.history = ListHistory(self.faults, lambda: self.now)
        self.hub = Hub("chat", lambda *change: self.history.note("chat", *change))

    def set_faults(self, *faults: str) -> None:
        self.faults.replace([parse_fault(text) for text in faults], 0)

    def join(self, *connections: str) -> None:
        for connection in connections:
            enter(self.hub, handshake(connection, user_id=f"user {connection}", groups=("g",)))

    def leave(self, connection: str) -> None:
        self.hub.client_closed(connection, 1000, "")

    def list(self, *, is_continued: bool = False) -> tuple[str, float | None]:
        """Return the ids in the list, and the moment that it shows."""
        users, as_of = self.history.read(self.hub, "g", is_continued=is_continued)
        assert all(users[one] == f"user {one}" for one in users)
        return " ".join(users), as_of


def test_without_the_fault_lists_are_of_the_present() -> None:
    """They have no moment, and nothing is remembered."""
    room = Room("rest-slow")
    room.join("b", "a")
    assert room.list() == ("a b", None)
    room.set_faults("stale-list:ms=5000")
    assert room.list() == ("a b", 1000.0)


def test_lists_by_time() -> None:
    """Joins and leaves show when the time has passed. No list is older than the fault."""
    room = Room("stale-list:ms=1000")
    room.join("a", "b")
    assert room.list() == ("", 1000.0)
    room.now += 0.5
    room.leave("a")
    assert room.list() == ("", 1000.0)
    room.now += 0.9
    assert room.list() == ("a b", 1000.4)
    room.now += 0.2
    assert room.list() == ("b", 1000.6)


def test_lists_by_count() -> None:
    """The first two lists after a change do not show it, however late they are."""
    room = Room("stale-list:calls=2")
    room.join("a")
    assert room.list() == ("", 1000.0)
    room.now += 3600
    assert room.list() == ("", 1000.0)
    room.leave("a")
    room.join("b")
    room.now += 1
    assert [room.list() for _ in range(3)] == [("a", 1000.0), ("a", 4600.0), ("b", 4601.0)]


def test_lists_of_other_groups_do_not_count() -> None:
    room = Room("stale-list:calls=1")
    room.join("a")
    room.history.read(room.hub, "h", is_continued=False)
    room.history.read(Hub("other"), "g", is_continued=False)
    assert room.list()[0] == ""
    assert room.list()[0] == "a"


def test_with_time_and_count_the_earlier_moment_is_shown() -> None:
    room = Room("stale-list:calls=1,ms=1000")
    room.join("a")
    assert [room.list()[0] for _ in range(2)] == ["", ""]
    room.now += 2
    assert room.list() == ("a", 1000.0)


def test_later_pages_show_the_moment_of_the_first() -> None:
    """They neither count as lists nor happen to be stale by themselves."""
    room = Room("stale-list:calls=1")
    room.join("a")
    room.list()
    first = room.list()
    room.join("b")
    assert room.list(is_continued=True) == first == ("a", 1000.0)
    assert room.faults.counts()[0][1] == 2


def test_the_rate() -> None:
    """A list that the fault does not happen to is of the present, with its moment."""
    room = Room("stale-list:rate=0")
    room.join("a")
    room.now += 1
    assert room.list() == ("a", 1001.0)


def test_a_new_start() -> None:
    """After the fault was removed, or everything was forgotten, no list is from before."""
    room = Room("stale-list:ms=600000")
    room.join("a")
    room.set_faults()
    room.leave("a")
    room.set_faults("stale-list:ms=600000")
    assert room.list() == ("", 1000.0)
    room.now += 1
    room.join("b")
    room.history.clear()
    assert room.list() == ("b", 1001.0)


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest moment that is remembered is shown, with its own time."""
    monkeypatch.setattr(list_history, "ENTRY_LIMIT", 100)
    room = Room("stale-list:ms=600000")
    room.join("a", "b")
    for _ in range(list_history.ENTRY_LIMIT - 1):
        room.list()
    assert room.list() == ("a b", 1000.0)
    room.now += 5
    room.join("c")
    assert room.list()[0] == "a b"
    assert len(room.history._entries) == list_history.ENTRY_LIMIT
