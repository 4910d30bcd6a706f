import asyncio
from datetime import UTC, datetime

import pytest

from tests import virtual_time
from usher.groups import digest
from usher.groups.announcements import Announcement
from usher.groups.digest import Digest

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def news(number: int, group: str = "lobby", kind: str = "joined") -> Announcement:
    return Announcement(kind, f"{kind}-{group}-{number}", group, f"u{number}", "", NOW)


def play(digests: Digest, *arrivals: tuple[float, Announcement]) -> list[tuple[float, list[str]]]:
    """When something was told, and of whom; the arrivals come at their times."""
    told: list[tuple[float, list[str]]] = []

    async def arrive(at: float, one: Announcement) -> None:
        await asyncio.sleep(at)
        if gathered := await digests.collect(one):
            told.append((asyncio.get_running_loop().time(), [n.user_id or "" for n in gathered]))

    async def all_arrive() -> None:
        await asyncio.gather(*(arrive(at, one) for at, one in arrivals))

    virtual_time.run(all_arrive())
    return told


def count(told: list[tuple[float, list[str]]]) -> int:
    return sum(len(users) for _, users in told)


def test_a_quiet_group_is_told_at_once() -> None:
    """One by one, as long as no more come than a second may bring."""
    arrivals = [(n * 0.25, news(n)) for n in range(40)]
    told = play(Digest(5, 1), *arrivals)
    assert told == [(n * 0.25, [f"u{n}"]) for n in range(40)]


def test_a_crowd_is_told_as_one() -> None:
    """The first few as they come, and all the others a moment later, together."""
    told = play(Digest(5, 1), *[(0.0, news(n)) for n in range(1000)])
    assert told[:5] == [(0.0, [f"u{n}"]) for n in range(5)]
    assert told[5:] == [(1.0, [f"u{n}" for n in range(5, 1000)])]


def test_a_crowd_that_goes_on_is_told_once_a_moment() -> None:
    """Everybody once, in order, and nobody later than a moment after coming."""
    arrivals = [(n / 400, news(n)) for n in range(1000)]
    told = play(Digest(5, 1), *arrivals)
    assert [user for _, users in told for user in users] == [f"u{n}" for n in range(1000)]
    assert len(told) <= 5 + 3
    for at, users in told:
        assert all(at - int(user[1:]) / 400 <= 1.001 for user in users)


def test_when_it_is_quiet_again_each_is_told_at_once_again() -> None:
    """A second after the last of the crowd."""
    crowd = [(0.0, news(n)) for n in range(100)]
    told = play(Digest(5, 1), *crowd, (2.5, news(100)), (3.0, news(101)))
    assert told[-2:] == [(2.5, ["u100"]), (3.0, ["u101"])]
    assert count(told) == 102


@pytest.mark.parametrize("at", [0.1, 0.3, 1.7, 1000.1, 86_400.7, 1e6 + 0.3])
@pytest.mark.parametrize("above", [3, 5, 7])
def test_a_second_s_worth_at_once_is_no_crowd(at: float, above: int) -> None:
    """At any hour, since clocks are no exact numbers; one more is."""
    for more, is_collected in ((0, False), (2, True)):
        told = play(Digest(above, 1), *[(at, news(n)) for n in range(above + more)])
        assert any(len(users) > 1 for _, users in told) is is_collected


@pytest.mark.parametrize(("rate", "is_collected"), [(4, False), (5, False), (6, True), (50, True)])
def test_the_rate_that_counts(rate: int, is_collected: bool) -> None:
    """More than five a second, for as long as it takes to tell."""
    told = play(Digest(5, 1), *[(n / rate, news(n)) for n in range(rate * 20)])
    assert count(told) == rate * 20
    assert any(len(users) > 1 for _, users in told) is is_collected


def test_groups_and_kinds_are_apart() -> None:
    """A crowd in one group keeps nobody waiting in another, and joins do not hold back leaves."""
    crowd = [(0.0, news(n)) for n in range(50)]
    others = [(0.5, news(1, "hall")), (0.5, news(1, "lobby", "left"))]
    told = play(Digest(5, 1), *crowd, *others)
    assert told.count((0.5, ["u1"])) == 2


def test_zero_is_off() -> None:
    """However many come."""
    told = play(Digest(0, 1), *[(0.0, news(n)) for n in range(500)])
    assert told == [(0.0, [f"u{n}"]) for n in range(500)]


def test_what_came_before_is_not_told_again() -> None:
    """A repeated event: at once, within a crowd, and later."""
    crowd = [(0.0, news(n)) for n in range(100)] * 2
    told = play(Digest(5, 1), *crowd, (5.0, news(3)), (5.0, news(50)))
    assert count(told) == 100


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has been silent longest is forgotten."""
    monkeypatch.setattr(digest, "MOST_REMEMBERED", 100)
    digests = Digest(5, 1)
    play(digests, *[(float(n), news(n, f"g{n}")) for n in range(500)])
    assert len(digests._known_ids) == len(digests._empty_at) == 100
    assert digests._collected == {}


def test_a_first_one_that_is_stopped_leaves_the_next_crowd_alone() -> None:
    """What it had gathered is lost, and nothing else."""

    async def stop() -> list[Announcement]:
        digests = Digest(1, 1)
        await digests.collect(news(0))
        first = asyncio.create_task(digests.collect(news(1)))
        await asyncio.sleep(0.5)
        assert await digests.collect(news(2)) == []
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return await digests.collect(news(3))

    assert virtual_time.run(stop()) == ([news(3)], 1.5)
