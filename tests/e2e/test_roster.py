"""Who is in a group, asked over HTTP, while real clients come and go."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from azure.messaging.webpubsubclient.models import WebPubSubProtocolType
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from tests.e2e.clients import enter, negotiate, new_room
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run

FRESH_SECONDS = 3.1  # a roster is up to 3 s old


async def ask(
    stack: Running, group: str, query: Any = (), **headers: str
) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer, which no cache may keep."""
    url = f"{stack.facts['host']}/api/groups/{quote(group, safe='')}/members"
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, params=query, headers=headers) as response,
    ):
        assert response.headers["Cache-Control"] == "no-store"
        return response.status, await response.json()


async def test_the_roster(stack: Running) -> None:
    """Each user once with its connections; three seconds after a leave it is told, too."""
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
            both = [{"userId": "ana", "connections": 1}, {"userId": "bo", "connections": 2}]
            expected = {"group": room, "count": 2, "members": both, "truncated": False}
            assert await ask(stack, room) == (200, expected)
        for _ in range(2):
            assert await ana.hear() == f"bo left {room}"
        await asyncio.sleep(FRESH_SECONDS)
        only = {"group": room, "count": 1, "members": both[:1], "truncated": False}
        assert await ask(stack, room) == (200, only)


async def test_an_unknown_group_is_an_empty_roster(stack: Running) -> None:
    """Nobody learns from it which groups there are."""
    room = new_room()
    empty: dict[str, Any] = {"group": room, "count": 0, "members": [], "truncated": False}
    assert await ask(stack, room) == (200, empty)


@pytest.mark.parametrize("ending", [",ñ b", "'quoted' \"twice\"", "a+b%20c&d=e?f#g", "日本;:@"])
async def test_names_of_any_script(key_stack: Running, ending: str) -> None:
    """The group of the URL is the group of the client, to the character."""
    room = new_room() + ending
    async with enter(key_stack.facts["host"], userId="Ñandú", group=room) as user:
        await user.hear()
        status, answer = await ask(key_stack, room)
    assert (status, answer["group"]) == (200, room)
    assert answer["members"] == [{"userId": "Ñandú", "connections": 1}]


async def test_a_large_group_is_truncated(key_stack: Running) -> None:
    """200 connections are read, and the answer says that there are more."""
    room, host = new_room(), key_stack.facts["host"]
    protocols = ["json.webpubsub.azure.v1"]
    async with AsyncExitStack() as clients:
        many = aiohttp.TCPConnector(limit=0)
        session = await clients.enter_async_context(aiohttp.ClientSession(connector=many))
        for number in range(201):
            # A room for each at first, or every one of them would hear of every other one.
            url = (await negotiate(host, userId=room, group=f"{room}-{number}"))["url"]
            await clients.enter_async_context(session.ws_connect(url, protocols=protocols))
        async with WebPubSubServiceClient.from_connection_string(
            key_stack.facts["connectionString"], "chat"
        ) as service:
            await service.add_user_to_group(room, room)
        status, answer = await ask(key_stack, room)
    members = [{"userId": room, "connections": 200}]
    assert (status, answer["members"], answer["truncated"]) == (200, members, True)


@pytest.mark.parametrize("group", [" ", "g" * 1025])
async def test_bad_names(key_stack: Running, group: str) -> None:
    """A 400 problem that names the field."""
    status, problem = await ask(key_stack, group)
    assert (status, problem["field"]) == (400, "group")


async def test_bad_callers(key_stack: Running) -> None:
    """A user id is checked as negotiate checks it."""
    for query in ([("userId", " ")], [("userId", "ana"), ("userId", "bo")]):
        status, problem = await ask(key_stack, "lobby", query)
        assert (status, problem["field"]) == (400, "userId")


@pytest.fixture(scope="module")
def backend_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack that serves backends with a key."""
    log = tmp_path_factory.mktemp("backend-stack") / "log"
    settings = {"USHER_AUTH": "key", "USHER_POLICY_FILE": "policy.json"}
    with run([*UP, "--keys"], log, settings) as running:
        yield running


async def test_the_policy_decides(backend_stack: Running) -> None:
    """A user may see the lobby and the own room; another's looks like one that does not exist."""
    key = {"x-functions-key": backend_stack.facts["keys"]["function"]}
    for room, expected in (("lobby", 200), ("user-ana", 200), ("user-bo", 403), ("nowhere", 403)):
        status, answer = await ask(backend_stack, room, [("userId", "ana")], **key)
        assert (status, answer.get("field")) == (expected, "group" if expected == 403 else None)


async def test_in_key_mode_the_key_is_enough(backend_stack: Running) -> None:
    """A backend reads for itself, about any room; without the key nobody does."""
    key, room = backend_stack.facts["keys"]["function"], new_room()
    status, answer = await ask(backend_stack, room, **{"x-functions-key": key})
    assert (status, answer["count"]) == (200, 0)
    url = f"{backend_stack.facts['host']}/api/groups/{room}/members"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 401


async def test_without_a_mode_nobody_reads(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As with negotiate, the endpoint is closed until somebody says how callers are told."""
    log = tmp_path_factory.mktemp("closed-stack") / "log"
    with run(UP, log, {"USHER_AUTH": ""}) as running:
        status, problem = await ask(running, "lobby")
    assert (status, problem["type"]) == (503, "urn:problem-type:usher:mode-not-set")
