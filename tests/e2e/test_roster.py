"""The roster of a group over HTTP, while real clients join and leave."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from azure.messaging.webpubsubclient.models import WebPubSubProtocolType
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from tests.e2e.clients import enter, negotiate, new_room
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from usher.groups.presence import checksum

CACHE_SECONDS = 3.1  # the app may answer with a roster that is up to 3 s old


async def ask(
    stack: Running, group: str, query: Any = (), **headers: str
) -> tuple[int, dict[str, Any]]:
    """Return status and body of the response, which no cache may store."""
    url = f"{stack.facts['host']}/api/groups/{quote(group, safe='')}/members"
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, params=query, headers=headers) as response,
    ):
        assert response.headers["Cache-Control"] == "no-store"
        return response.status, await response.json()


async def expect(stack: Running, room: str, users: dict[str, int]) -> None:
    """Ask for the roster of a group, and compare it with a snapshot that is at most 3 s old."""
    started = datetime.now(UTC)
    status, answer = await ask(stack, room)
    as_of = datetime.strptime(answer.pop("asOf"), "%Y-%m-%dT%H:%M:%S%z")
    assert started - timedelta(seconds=CACHE_SECONDS + 1) < as_of <= datetime.now(UTC)
    members = [{"userId": name, "connections": count} for name, count in users.items()]
    facts = {"type": "presence", "group": room, "truncated": False, "snapshot": True}
    counts = {"count": len(users), "checksum": checksum(users)}
    assert (status, answer) == (
        200,
        facts | counts | {"members": members, "users": users, "gone": []},
    )


async def test_the_roster_has_each_user_once_with_the_number_of_connections(
    stack: Running,
) -> None:
    """Three seconds after a leave the roster no longer has the user."""
    room = new_room()
    host = stack.facts["host"]
    async with enter(host, userId="ana", group=room) as ana:
        assert await ana.hear() == f"ana joined {room}"
        # Not the reliable protocol, whose sessions outlive their sockets by 30 s.
        plain = WebPubSubProtocolType.JSON
        async with (
            enter(host, plain, userId="bo", group=room),
            enter(host, plain, userId="bo", group=room),
        ):
            for _ in range(2):
                assert await ana.hear() == f"bo joined {room}"
            await expect(stack, room, {"ana": 1, "bo": 2})
        for _ in range(2):
            assert await ana.hear() == f"bo left {room}"
        await asyncio.sleep(CACHE_SECONDS)
        await expect(stack, room, {"ana": 1})


async def test_an_unknown_group_has_an_empty_roster(stack: Running) -> None:
    """The response does not reveal which groups exist."""
    room = new_room()
    await expect(stack, room, {})


@pytest.mark.parametrize("ending", [",ñ b", "'quoted' \"twice\"", "a+b%20c&d=e?f#g", "日本;:@"])
async def test_the_group_may_have_any_characters(key_stack: Running, ending: str) -> None:
    """The group in the URL is exactly the group of the client."""
    room = new_room() + ending
    async with enter(key_stack.facts["host"], userId="Ñandú", group=room) as user:
        await user.hear()
        status, answer = await ask(key_stack, room)
    assert (status, answer["group"]) == (200, room)
    assert answer["members"] == [{"userId": "Ñandú", "connections": 1}]


async def fill(stack: Running, room: str, users: list[str], clients: AsyncExitStack) -> None:
    """Open a connection for each of these users, and add all of them to the group."""
    many = aiohttp.TCPConnector(limit=0)
    session = await clients.enter_async_context(aiohttp.ClientSession(connector=many))
    protocols = ["json.webpubsub.azure.v1"]
    for number, user in enumerate(users):
        # One group for each connection at first, or each would receive all announcements.
        url = (await negotiate(stack.facts["host"], userId=user, group=f"{room}-{number}"))["url"]
        await clients.enter_async_context(session.ws_connect(url, protocols=protocols))
    async with WebPubSubServiceClient.from_connection_string(
        stack.facts["connectionString"], "chat"
    ) as service:
        await asyncio.gather(*(service.add_user_to_group(room, user) for user in set(users)))


async def test_a_large_group_is_truncated(key_stack: Running) -> None:
    """The response has 200 users, and says that there are more."""
    room = new_room()
    async with AsyncExitStack() as clients:
        await fill(key_stack, room, [f"{room}-{number}" for number in range(201)], clients)
        status, answer = await ask(key_stack, room)
    assert (status, answer["count"], answer["truncated"]) == (200, 200, True)
    assert answer["checksum"] is None
    assert {member["connections"] for member in answer["members"]} == {1}


async def test_many_sockets_of_one_user_hide_no_member(key_stack: Running) -> None:
    room = new_room()
    async with AsyncExitStack() as clients:
        await fill(key_stack, room, [*[f"{room}-many"] * 250, f"{room}-one"], clients)
        status, answer = await ask(key_stack, room)
    counts = {member["userId"]: member["connections"] for member in answer["members"]}
    assert (status, answer["truncated"]) == (200, False)
    assert counts == {f"{room}-many": 250, f"{room}-one": 1}


@pytest.mark.parametrize("group", [" ", "g" * 1025])
async def test_a_bad_group_name_is_a_bad_request(key_stack: Running, group: str) -> None:
    status, problem = await ask(key_stack, group)
    assert (status, problem["field"]) == (400, "group")


async def test_a_bad_user_id_is_a_bad_request(key_stack: Running) -> None:
    """Negotiate has the same checks."""
    for query in ([("userId", " ")], [("userId", "ana"), ("userId", "bo")]):
        status, problem = await ask(key_stack, "lobby", query)
        assert (status, problem["field"]) == (400, "userId")


@pytest.fixture(scope="module")
def backend_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a stack in `key` mode, with function keys."""
    log = tmp_path_factory.mktemp("backend-stack") / "log"
    settings = {"USHER_AUTH": "key", "USHER_POLICY_FILE": "policy.json"}
    with run([*UP, "--keys"], log, settings) as running:
        yield running


async def test_the_policy_decides_which_rosters_a_user_may_read(backend_stack: Running) -> None:
    """A forbidden group and an unknown group get the same status."""
    key = {"x-functions-key": backend_stack.facts["keys"]["function"]}
    for room, expected in (("lobby", 200), ("user-ana", 200), ("user-bo", 403), ("nowhere", 403)):
        status, answer = await ask(backend_stack, room, [("userId", "ana")], **key)
        assert (status, answer.get("field")) == (expected, "group" if expected == 403 else None)


async def test_a_backend_with_the_key_may_read_every_roster(backend_stack: Running) -> None:
    """It names no user. Without the key the request is refused."""
    key, room = backend_stack.facts["keys"]["function"], new_room()
    status, answer = await ask(backend_stack, room, **{"x-functions-key": key})
    assert (status, answer["count"]) == (200, 0)
    url = f"{backend_stack.facts['host']}/api/groups/{room}/members"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 401


async def test_without_an_authentication_mode_no_roster_is_served(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    log = tmp_path_factory.mktemp("closed-stack") / "log"
    with run(UP, log, {"USHER_AUTH": ""}) as running:
        status, problem = await ask(running, "lobby")
    assert (status, problem["type"]) == (503, "urn:problem-type:usher:mode-not-set")
