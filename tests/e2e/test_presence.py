"""Presence messages over real sockets: what newcomers and members receive."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.clients import new_room
from tests.e2e.presence_stack import PresenceStack, run_presence_stack
from usher.groups.presence import checksum
from webpubsub_emulator import parse_fault

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[PresenceStack]:
    async with run_presence_stack() as stack:
        yield stack


@pytest.fixture
def stack(running: PresenceStack) -> PresenceStack:
    """Return the stack without faults; the first instance gets all events."""
    running.faults.replace([], 0)
    running.send_events_to()
    return running


async def test_a_newcomer_gets_a_snapshot_and_the_group_its_count(stack: PresenceStack) -> None:
    room = new_room()
    async with stack.enter("ana", room) as ana, stack.enter("bo", room) as bo:
        snapshot = bo.snapshot
        change = await ana.wait_for_user("bo", 1)
    both = {"ana": 1, "bo": 1}
    facts = {"type": "presence", "group": room, "gone": [], "truncated": False}
    counts = {"count": 2, "checksum": checksum(both)}
    as_of = {"asOf": snapshot["asOf"]}
    assert snapshot == facts | counts | as_of | {"users": both, "snapshot": True}
    assert change == facts | counts | as_of | {"users": {"bo": 1}, "snapshot": False}
    assert not [each for each in ana.messages if each["snapshot"] and "bo" in each["users"]]


async def test_a_leave_is_announced_after_the_grace(stack: PresenceStack) -> None:
    room, clock = new_room(), asyncio.get_running_loop().time
    async with stack.enter("ana", room) as ana:
        async with stack.enter("bo", room):
            await ana.wait_for_user("bo", 1)
            leaving = clock()
        change = await ana.wait_for_user("bo", 0)
    assert clock() - leaving >= 1
    assert (change["users"], change["gone"], change["count"]) == ({}, ["bo"], 1)
    assert change["checksum"] == checksum({"ana": 1})


async def test_a_reload_within_the_grace_shows_no_leave(stack: PresenceStack) -> None:
    """A later leave of another user is announced, so the leave of the reload never comes."""
    room = new_room()
    stack.send_events_to(connected=1, disconnected=1)
    async with stack.enter("ana", room) as ana:
        async with stack.enter("bo", room):
            await ana.wait_for_user("bo", 1)
        async with stack.enter("bo", room):
            async with stack.enter("cy", room):
                await ana.wait_for_user("cy", 1)
            await ana.wait_for_user("cy", 0)
            assert ana.counts("bo") == [1, 1]
            assert ana.merge() == ({"ana": 1, "bo": 1}, ["bo", "cy"], ["cy"])


async def test_the_leave_of_a_second_tab_shows_the_count(stack: PresenceStack) -> None:
    room = new_room()
    async with stack.enter("ana", room) as ana, stack.enter("bo", room):
        await ana.wait_for_user("bo", 1)
        async with stack.enter("bo", room) as second:
            assert second.snapshot["users"] == {"ana": 1, "bo": 2}
            await ana.wait_for_user("bo", 2)
        change = await ana.wait_for_user("bo", 1)
        assert (change["users"], change["gone"], change["count"]) == ({"bo": 1}, [], 2)
        assert change["checksum"] == checksum({"ana": 1, "bo": 1})


async def test_a_user_in_two_groups(stack: PresenceStack) -> None:
    """In the hall the user has a second tab, so only the attic sees a leave."""
    hall, attic = new_room(), new_room()
    async with (
        stack.enter("ana", hall) as ana,
        stack.enter("cy", attic) as cy,
        AsyncExitStack() as second_tab,
    ):
        async with stack.enter("bo", hall, attic):
            await ana.wait_for_user("bo", 1)
            await cy.wait_for_user("bo", 1)
            await second_tab.enter_async_context(stack.enter("bo", hall))
            await ana.wait_for_user("bo", 2)
        await ana.wait_for_user("bo", 1)
        await cy.wait_for_user("bo", 0)
        assert (ana.counts("bo"), cy.counts("bo")) == ([1, 2, 1], [1, 0])


@pytest.mark.parametrize("user", ["__proto__", "constructor", "Ñandú 日本", None])
async def test_unusual_names(stack: PresenceStack, user: str | None) -> None:
    """Connections without a user id have the empty name."""
    room, name = new_room(), user or ""
    async with stack.enter("ana", room) as ana:
        async with stack.enter(user, room) as tab:
            assert tab.snapshot["users"] == {"ana": 1, name: 1}
            assert tab.snapshot["checksum"] == checksum({"ana": 1, name: 1})
            await ana.wait_for_user(name, 1)
        await ana.wait_for_user(name, 0)


@pytest.mark.parametrize("fault", ["stale-list:calls=2", "stale-list:ms=2500"])
async def test_stale_lists(stack: PresenceStack, fault: str) -> None:
    """A newcomer that the list misses is counted in; one that left and is in the list is gone."""
    room = new_room()
    async with stack.enter("ana", room) as ana:
        stack.faults.replace([parse_fault(fault)], 0)
        async with stack.enter("bo", room) as bo:
            assert bo.messages[0]["users"]["bo"] == 1
            assert bo.snapshot["users"] == {"ana": 1, "bo": 1}
            await stack.wait_for_record(record="join", group=room, userId="bo")
        left = await stack.wait_for_record(record="leave", group=room, userId="bo")
        await stack.read_all(ana, room)
        assert ana.merge() == ({"ana": 1}, ["bo"], ["bo"])
    assert left["lists"] > 1


async def test_a_connection_that_the_service_closes(stack: PresenceStack) -> None:
    room = new_room()
    async with stack.enter("ana", room) as ana, aiohttp.ClientSession() as session:
        url = await stack.negotiate("bo", room)
        async with session.ws_connect(url, protocols=["json.webpubsub.azure.v1"]) as socket:
            connection_id = (await socket.receive_json())["connectionId"]
            await ana.wait_for_user("bo", 1)
            async with stack.service() as service:
                await service.close_connection(connection_id)
            await ana.wait_for_user("bo", 0)


async def count_calls(stack: PresenceStack, room: str, *connections: str) -> Counter[str]:
    """Return the methods of the REST calls that name the group or one of the connections."""
    parts = (f"/groups/{room}/", *(f"/connections/{one}/" for one in connections))
    paths = [(each["method"], each["path"]) for each in (await stack.state())["calls"]]
    return Counter(method for method, path in paths if any(part in path for part in parts))


async def test_the_calls_and_the_record_of_a_quiet_join_and_leave(stack: PresenceStack) -> None:
    """A join costs four calls: add, list, message, snapshot. A leave costs two."""
    room = new_room()
    async with stack.enter("ana", room):
        async with stack.enter("bo", room):
            joins = [
                await stack.wait_for_record(record="join", group=room, userId=user)
                for user in ("ana", "bo")
            ]
            ids = [each["connectionId"] for each in joins]
            assert await count_calls(stack, room, *ids) == {"PUT": 2, "GET": 2, "POST": 4}
        left = await stack.wait_for_record(record="leave", group=room, userId="bo")
        assert await count_calls(stack, room, *ids) == {"PUT": 2, "GET": 3, "POST": 5}
    for record, snapshots in ((joins[1], 1), (left, 0)):
        counts = [record[name] for name in ("announced", "lists", "messages", "snapshots")]
        assert (counts, record["sendStatus"]) == ([1, 1, 1, snapshots], 202)


async def fill(stack: PresenceStack, room: str, count: int, clients: AsyncExitStack) -> None:
    """Connect this many users, 20 at once, until the clients are closed."""
    session = await clients.enter_async_context(
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    )
    service = await clients.enter_async_context(stack.service())
    gate = asyncio.Semaphore(20)

    async def connect(number: int) -> None:
        async with gate:
            user = f"{room}-{number}"
            url = (await service.get_client_access_token(user_id=user, groups=[room]))["url"]
            await clients.enter_async_context(
                session.ws_connect(url, protocols=["json.webpubsub.azure.v1"])
            )

    await asyncio.gather(*map(connect, range(count)))


async def test_200_users_have_a_checksum_and_201_have_none(stack: PresenceStack) -> None:
    """What a message says about single users is right even then."""
    room = new_room()
    async with AsyncExitStack() as clients:
        await fill(stack, room, 199, clients)
        ana = await clients.enter_async_context(stack.enter("ana", room))
        full = ana.snapshot
        assert (full["count"], full["truncated"]) == (200, False)
        assert full["checksum"] == checksum(full["users"])
        async with stack.enter("bo", room):
            change = await ana.wait_for_user("bo", 1)
            assert (change["count"], change["checksum"], change["truncated"]) == (None, None, True)
        change = await ana.wait_for_user("bo", 0)
        assert (change["count"], change["checksum"]) == (200, full["checksum"])


async def test_a_leave_that_another_instance_handles(stack: PresenceStack) -> None:
    room = new_room()
    stack.send_events_to(connected=1)
    async with stack.enter("ana", room) as ana:
        async with stack.enter("bo", room):
            await ana.wait_for_user("bo", 1)
        await ana.wait_for_user("bo", 0)


async def test_a_reload_whose_events_reach_two_instances(stack: PresenceStack) -> None:
    """The instance of the leave does not know the join, and sees it in the list."""
    room = new_room()
    stack.send_events_to(disconnected=1)
    async with stack.enter("ana", room) as ana:
        async with stack.enter("bo", room):
            await ana.wait_for_user("bo", 1)
        async with stack.enter("bo", room):
            for _ in ("the join", "the leave"):
                await ana.wait_for(lambda each: "bo" in [*each["users"], *each["gone"]])
            assert ana.counts("bo") == [1, 1, 1]


@pytest.mark.parametrize("is_hub", [True, False], ids=["hub", "group"])
async def test_who_is_removed_is_gone(stack: PresenceStack, is_hub: bool) -> None:
    """Nothing of before the removal brings the user back, also not in the same second."""
    room, mallory = new_room(), f"mallory-{new_room()}"
    url = f"{stack.instances[0].address}/api/removals"
    async with stack.enter("ana", room) as ana, aiohttp.ClientSession() as session:
        token = await stack.negotiate(mallory, room)
        async with session.ws_connect(token, protocols=["json.webpubsub.azure.v1"]) as ws:
            reading = asyncio.create_task(read_all(ws))
            await ana.wait_for_user(mallory, 1)
            body = {"userId": mallory, "group": None if is_hub else room, "minutes": 0}
            async with session.post(url, json=body) as response:
                assert response.status == 200
            await ana.wait_for_user(mallory, 0)
            if not is_hub:
                assert not ws.closed
        reading.cancel()
        await stack.read_all(ana, room)
        users, _, left = ana.merge()
    assert (users, left) == ({"ana": 1}, [mallory])


async def read_all(ws: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in ws:
        pass
