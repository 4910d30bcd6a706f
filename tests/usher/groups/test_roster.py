import asyncio
from typing import Any

import pytest

from tests import virtual_time
from usher.errors import ServiceError
from usher.groups import roster
from usher.groups.roster import Rosters, describe_roster


class Service:
    """Answers with one connection of a user whose number is that of the question."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failure: ServiceError | None = None

    async def list_users(self, group: str) -> tuple[list[str | None], bool]:
        self.asked.append(group)
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return [f"user-{len(self.asked)}"], False


def names(answer: dict[str, Any]) -> list[str]:
    return [member["userId"] for member in answer["members"]]


def test_users_are_counted_once() -> None:
    """Each with all its connections, by name; connections without a user are the last entry."""
    assert describe_roster("a,b", ["bo", None, "ana", "bo", None, "bo"], False) == {
        "group": "a,b",
        "count": 3,
        "members": [
            {"userId": "ana", "connections": 1},
            {"userId": "bo", "connections": 3},
            {"userId": None, "connections": 2},
        ],
        "truncated": False,
    }


def test_nobody_is_an_empty_roster() -> None:
    """An empty group and an unknown one look the same."""
    empty: dict[str, Any] = {"group": "g", "count": 0, "members": [], "truncated": False}
    assert describe_roster("g", [], False) == empty


def test_more_than_was_read_is_said() -> None:
    """The count is of those in the answer."""
    answer = describe_roster("g", ["ana"] * 200, True)
    assert (answer["count"], answer["truncated"]) == (1, True)


async def test_callers_at_once_share_a_question() -> None:
    """A hundred of them are one call; another group is another."""
    service, rosters = Service(), Rosters()
    answers = await asyncio.gather(*(rosters.read(service, "a") for _ in range(100)))
    assert service.asked == ["a"]
    assert all(names(answer) == ["user-1"] for answer in answers)
    await rosters.read(service, "b")
    assert service.asked == ["a", "b"]


def test_an_answer_is_remembered_for_three_seconds() -> None:
    """Then the service is asked again."""

    async def read() -> list[str]:
        service, rosters, found = Service(), Rosters(), list[str]()
        for pause in (0, 2.9, 0.1):
            await asyncio.sleep(pause)
            found += names(await rosters.read(service, "a"))
        return found

    assert virtual_time.run(read())[0] == ["user-1", "user-1", "user-2"]


def test_a_failure_is_remembered_and_forgotten() -> None:
    """A service in trouble is not asked by every caller."""

    async def read() -> list[str]:
        service, rosters = Service(), Rosters()
        service.failure = ServiceError("answered 500", answered=500)
        for _ in range(2):
            with pytest.raises(ServiceError):
                await rosters.read(service, "a")
        service.failure = None
        await asyncio.sleep(3)
        return names(await rosters.read(service, "a"))

    assert virtual_time.run(read())[0] == ["user-2"]


async def test_a_caller_who_goes_away_takes_nothing_along() -> None:
    """The others get their answer."""
    service, rosters = Service(), Rosters()
    impatient = asyncio.create_task(rosters.read(service, "a"))
    patient = asyncio.create_task(rosters.read(service, "a"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert names(await patient) == ["user-1"]


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reading that was begun first is the first to go."""
    monkeypatch.setattr(roster, "MOST_GROUPS", 2)
    service, rosters = Service(), Rosters()
    for group in ("a", "b", "a", "c", "b", "a"):
        await rosters.read(service, group)
    assert service.asked == ["a", "b", "c", "a"]
