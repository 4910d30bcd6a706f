import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import virtual_time
from usher.errors import ServiceError
from usher.groups import roster
from usher.groups.roster import Rosters, describe_roster


class Service:
    """Answers with one connection. The number in its user id is the number of the request."""

    def __init__(self) -> None:
        self.requests: list[str] = []  # the group of each
        self.failure: ServiceError | None = None

    async def list_users(self, group: str) -> tuple[list[str | None], bool]:
        self.requests.append(group)
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return [f"user-{len(self.requests)}"], False


def user_ids(answer: dict[str, Any]) -> list[str]:
    return [member["userId"] for member in answer["members"]]


def test_each_user_is_one_member() -> None:
    """In order of the user ids; connections without a user are the last member."""
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


@given(st.lists(st.none() | st.text("ab'/\n", max_size=2), max_size=200), st.booleans())
def test_a_roster_counts_every_connection_once(users: list[str | None], has_more: bool) -> None:
    """Compared with counting by hand."""
    answer = describe_roster("g", users, has_more)
    found = [(member["userId"], member["connections"]) for member in answer["members"]]
    names = sorted({user for user in users if user is not None})
    expected = [(name, users.count(name)) for name in [*names, *([None] if None in users else [])]]
    assert found == expected
    assert (answer["count"], answer["truncated"]) == (len(expected), has_more)


def test_a_group_without_connections() -> None:
    """An empty group and an unknown group have the same roster."""
    empty: dict[str, Any] = {"group": "g", "count": 0, "members": [], "truncated": False}
    assert describe_roster("g", [], False) == empty


def test_a_truncated_roster() -> None:
    """`count` is the number of members in the answer."""
    answer = describe_roster("g", ["ana"] * 200, True)
    assert (answer["count"], answer["truncated"]) == (1, True)


async def test_concurrent_callers_share_a_request() -> None:
    """Each group has its own request."""
    service, rosters = Service(), Rosters()
    answers = await asyncio.gather(*(rosters.read(service, "a") for _ in range(100)))
    assert service.requests == ["a"]
    assert all(user_ids(answer) == ["user-1"] for answer in answers)
    await rosters.read(service, "b")
    assert service.requests == ["a", "b"]


def test_an_answer_is_cached_for_three_seconds() -> None:

    async def read() -> list[str]:
        service, rosters, found = Service(), Rosters(), list[str]()
        for pause in (0, 2.99, 0.01):
            await asyncio.sleep(pause)
            found += user_ids(await rosters.read(service, "a"))
        return found

    assert virtual_time.run(read())[0] == ["user-1", "user-1", "user-2"]


def test_a_pending_request_is_shared_however_long_it_takes() -> None:
    class SlowService(Service):
        async def list_users(self, group: str) -> tuple[list[str | None], bool]:
            await asyncio.sleep(5)
            return await super().list_users(group)

    async def read() -> list[str]:
        service, rosters = SlowService(), Rosters()
        first = asyncio.create_task(rosters.read(service, "a"))
        await asyncio.sleep(4)
        return user_ids(await rosters.read(service, "a")) + user_ids(await first)

    assert virtual_time.run(read()) == (["user-1", "user-1"], 5)


def test_a_failure_is_cached_for_three_seconds() -> None:
    """A failing service gets one request, and not one of each caller."""

    async def read() -> list[str]:
        service, rosters = Service(), Rosters()
        service.failure = ServiceError("answered 500", answered=500)
        for _ in range(2):
            with pytest.raises(ServiceError):
                await rosters.read(service, "a")
        service.failure = None
        await asyncio.sleep(3)
        return user_ids(await rosters.read(service, "a"))

    assert virtual_time.run(read())[0] == ["user-2"]


async def test_a_cancelled_caller_does_not_cancel_the_request_of_the_others() -> None:
    service, rosters = Service(), Rosters()
    cancelled = asyncio.create_task(rosters.read(service, "a"))
    waiting = asyncio.create_task(rosters.read(service, "a"))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert user_ids(await waiting) == ["user-1"]


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest request is forgotten first."""
    monkeypatch.setattr(roster, "MOST_GROUPS", 2)
    service, rosters = Service(), Rosters()
    for group in ("a", "b", "a", "c", "b", "a"):
        await rosters.read(service, group)
    assert service.requests == ["a", "b", "c", "a"]


def test_a_repeated_request_is_not_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """When `b` is repeated after 3 s, `a` and `c` are forgotten before it."""
    monkeypatch.setattr(roster, "MOST_GROUPS", 3)

    async def read() -> list[str]:
        service, rosters = Service(), Rosters()
        for group in "abc":
            await rosters.read(service, group)
        await asyncio.sleep(3)
        for group in "bdeb":
            await rosters.read(service, group)
        return service.requests

    assert virtual_time.run(read())[0] == ["a", "b", "c", "b", "d", "e"]
