import asyncio
from datetime import UTC, datetime

import pytest

from tests import virtual_time
from usher.groups import digest
from usher.groups.announcements import Announcement
from usher.groups.digest import Digest

NOW = datetime(2026, 11, 24, tzinfo=UTC)

type Message = tuple[float, list[str]]  # when it is sent, and the users of its announcements


def announce(number: int, group: str = "lobby", type_: str = "joined") -> Announcement:
    return Announcement(type_, f"{type_}-{group}-{number}", group, f"u{number}", "", NOW)


def collect(subject: Digest, *arrivals: tuple[float, Announcement]) -> list[Message]:
    """Return the messages of announcements that arrive at the given seconds."""
    messages: list[Message] = []

    async def arrive(at: float, announcement: Announcement) -> None:
        await asyncio.sleep(at)
        if collected := await subject.collect(announcement):
            users = [one.user_id or "" for one in collected]
            messages.append((asyncio.get_running_loop().time(), users))

    async def all_arrive() -> None:
        await asyncio.gather(*(arrive(at, one) for at, one in arrivals))

    virtual_time.run(all_arrive())
    return messages


def count(messages: list[Message]) -> int:
    return sum(len(users) for _, users in messages)


def has_summary(messages: list[Message]) -> bool:
    return any(len(users) > 1 for _, users in messages)


def test_below_the_rate_each_announcement_is_sent_at_once() -> None:
    arrivals = [(n * 0.25, announce(n)) for n in range(40)]
    messages = collect(Digest(5, 1), *arrivals)
    assert messages == [(n * 0.25, [f"u{n}"]) for n in range(40)]


def test_above_the_rate_announcements_are_sent_together() -> None:
    """Those within the rate are sent at once, and all others after one second, in one message."""
    messages = collect(Digest(5, 1), *[(0.0, announce(n)) for n in range(1000)])
    assert messages[:5] == [(0.0, [f"u{n}"]) for n in range(5)]
    assert messages[5:] == [(1.0, [f"u{n}" for n in range(5, 1000)])]


def test_a_lasting_crowd_gets_one_message_per_second() -> None:
    """Each announcement is sent once, in order, and at most one second late."""
    arrivals = [(n / 400, announce(n)) for n in range(1000)]
    messages = collect(Digest(5, 1), *arrivals)
    assert [user for _, users in messages for user in users] == [f"u{n}" for n in range(1000)]
    assert len(messages) <= 5 + 3
    for at, users in messages:
        assert all(at - int(user[1:]) / 400 <= 1.001 for user in users)


def test_after_a_crowd_announcements_are_sent_at_once_again() -> None:
    """The rate falls one second after the last announcement of the crowd."""
    crowd = [(0.0, announce(n)) for n in range(100)]
    messages = collect(Digest(5, 1), *crowd, (2.5, announce(100)), (3.0, announce(101)))
    assert messages[-2:] == [(2.5, ["u100"]), (3.0, ["u101"])]
    assert count(messages) == 102


@pytest.mark.parametrize("at", [0.1, 0.3, 1.7, 2.5, 1000.1, 86_400.7, 1e6 + 0.3])
@pytest.mark.parametrize("above", [3, 5, 7])
def test_the_announcements_of_one_second_may_arrive_at_once(at: float, above: int) -> None:
    """At any time of the clock, although sums of fractions are not exact; two more are too many."""
    messages = collect(Digest(above, 1), *[(at, announce(n)) for n in range(above)])
    assert sorted(messages) == [(at, [f"u{n}"]) for n in range(above)]
    assert has_summary(collect(Digest(above, 1), *[(at, announce(n)) for n in range(above + 2)]))


@pytest.mark.parametrize(("rate", "is_summarised"), [(4, False), (5, False), (6, True), (50, True)])
def test_the_rate_above_which_there_are_summaries(rate: int, is_summarised: bool) -> None:
    messages = collect(Digest(5, 1), *[(n / rate, announce(n)) for n in range(rate * 20)])
    assert count(messages) == rate * 20
    assert has_summary(messages) is is_summarised


def test_each_group_and_type_has_its_own_rate() -> None:
    """A crowd that joins one group does not delay joins of another group, or leaves."""
    crowd = [(0.0, announce(n)) for n in range(50)]
    others = [(0.5, announce(1, "hall")), (0.5, announce(1, "lobby", "left"))]
    messages = collect(Digest(5, 1), *crowd, *others)
    assert messages.count((0.5, ["u1"])) == 2


def test_zero_never_collects() -> None:
    messages = collect(Digest(0, 1), *[(0.0, announce(n)) for n in range(500)])
    assert messages == [(0.0, [f"u{n}"]) for n in range(500)]


def test_duplicates_are_dropped() -> None:
    """At once, while the first is being collected, and later."""
    crowd = [(0.0, announce(n)) for n in range(100)] * 2
    messages = collect(Digest(5, 1), *crowd, (5.0, announce(3)), (5.0, announce(50)))
    assert count(messages) == 100


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest groups and ids are forgotten first."""
    monkeypatch.setattr(digest, "MOST_REMEMBERED", 100)
    subject = Digest(5, 1)
    collect(subject, *[(float(n), announce(n, f"g{n}")) for n in range(500)])
    assert len(subject._known_ids) == len(subject._empty_at) == 100
    assert "joined-g499-499" in subject._known_ids
    assert subject._collected == {}


def test_a_cancelled_collection_does_not_block_the_next() -> None:
    """The announcements that it collected are lost."""

    async def cancel() -> list[Announcement]:
        subject = Digest(1, 1)
        await subject.collect(announce(0))
        first = asyncio.create_task(subject.collect(announce(1)))
        await asyncio.sleep(0.5)
        assert await subject.collect(announce(2)) == []
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return await subject.collect(announce(3))

    assert virtual_time.run(cancel()) == ([announce(3)], 1.5)
