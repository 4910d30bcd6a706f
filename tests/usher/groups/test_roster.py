import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import virtual_time
from usher.errors import ServiceError
from usher.groups import roster
from usher.groups.presence import write_snapshot
from usher.groups.roster import Rosters, describe_roster
from usher.service.group_list import GroupList

AS_OF = datetime(2026, 11, 26, 12, 30, 7, tzinfo=UTC)


def list_of(users: Sequence[str], *, truncated: bool = False) -> GroupList:
    """Return a list with one connection for each of these user ids."""
    connections = {f"c-{number}": user for number, user in enumerate(users)}
    return GroupList(AS_OF, connections, truncated)


class Service:
    """Answers with one connection. The number in its user id is the number of the request."""

    def __init__(self) -> None:
        self.requests: list[str] = []  # the group of each
        self.failure: ServiceError | None = None

    async def list_group(self, group: str) -> GroupList:
        self.requests.append(group)
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return list_of([f"user-{len(self.requests)}"])


def user_ids(answer: dict[str, Any]) -> list[str]:
    return [member["userId"] for member in answer["members"]]


def test_each_user_is_one_member() -> None:
    """In order of the user ids; connections without a user are the last member."""
    answer = describe_roster("a,b", list_of(["bo", "", "ana", "bo", "", "bo"]))
    assert (answer["group"], answer["count"], answer["truncated"]) == ("a,b", 3, False)
    assert answer["members"] == [
        {"userId": "ana", "connections": 1},
        {"userId": "bo", "connections": 3},
        {"userId": None, "connections": 2},
    ]


@pytest.mark.parametrize("users", [[], ["ana"], ["bo", "", "ana", "bo", "", "__proto__"]])
def test_a_roster_is_a_snapshot(users: list[str]) -> None:
    """It has every field of a presence message, so that clients merge it like one."""
    listed = list_of(users)
    answer = describe_roster("g", listed)
    assert answer == write_snapshot("g", listed) | {"members": answer["members"]}
    assert (answer["snapshot"], answer["asOf"]) == (True, "2026-11-26T12:30:07Z")


@given(st.lists(st.text("ab'/\n", max_size=2), max_size=200), st.booleans())
def test_a_roster_counts_every_connection_once(users: list[str], truncated: bool) -> None:
    """Compared with counting by hand."""
    answer = describe_roster("g", list_of(users, truncated=truncated))
    found = [(member["userId"], member["connections"]) for member in answer["members"]]
    names = sorted({*users} - {""})
    expected = [(name, users.count(name)) for name in names]
    expected_last = [(None, users.count(""))] if "" in users else []
    assert found == [*expected, *expected_last]
    assert (answer["count"], answer["truncated"]) == (len(found), truncated)


def test_a_group_without_connections() -> None:
    """An empty group and an unknown group have the same roster."""
    answer = describe_roster("g", list_of([]))
    assert (answer["count"], answer["members"], answer["users"]) == (0, [], {})


def test_a_truncated_roster() -> None:
    """`count` is the number of members in the answer; clients cannot compare a checksum."""
    answer = describe_roster("g", list_of(["ana"] * 200, truncated=True))
    assert (answer["count"], answer["truncated"], answer["checksum"]) == (1, True, None)


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
        async def list_group(self, group: str) -> GroupList:
            await asyncio.sleep(5)
            return await super().list_group(group)

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
