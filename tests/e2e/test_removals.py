"""`/api/removals` on the local stack: a removed user is out, stays out, and the room hears it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.clients import new_room
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.room import Room

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROTOCOL = "json.webpubsub.azure.v1"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a stack that requires function keys."""
    with run([*UP, "--control", "--keys"], tmp_path_factory.mktemp("removals") / "log") as running:
        yield running


class Door:
    """The app's API, and raw clients, which do not connect again by themselves."""

    def __init__(self, stack: Running, session: aiohttp.ClientSession) -> None:
        self.stack, self.session = stack, session
        self.key = {"x-functions-key": stack.facts.get("keys", {}).get("function", "")}

    async def call(self, method: str, path: str = "", body: Any = None) -> tuple[Any, Any]:
        """Call the API with the key; return response and JSON."""
        url = f"{self.stack.facts['host']}/api/removals{path}"
        data = None if body is None else json.dumps(body)
        async with self.session.request(method, url, data=data, headers=self.key) as response:
            return response, await response.json() if response.content_length else None

    async def remove(self, user: str, **more: Any) -> tuple[Any, Any]:
        return await self.call("POST", body={"userId": user, **more})

    async def negotiate(self, user: str, *groups: str) -> tuple[int, Any]:
        """Return the status and the JSON of negotiate."""
        body = json.dumps({"userId": user, "group": list(groups)})
        url = f"{self.stack.facts['host']}/api/negotiate"
        async with self.session.post(url, data=body) as response:
            return response.status, await response.json()

    async def enter(self, user: str, *groups: str) -> aiohttp.ClientWebSocketResponse:
        """Connect, and wait until the user's own join was announced in the first group."""
        _, token = await self.negotiate(user, *groups)
        ws = await self.session.ws_connect(token["url"], protocols=[PROTOCOL])
        assert (await ws.receive_json(timeout=10))["event"] == "connected"
        await wait_for(ws, data=f"{user} joined {groups[0]}")
        return ws


async def wait_for(ws: aiohttp.ClientWebSocketResponse, **wanted: Any) -> Any:
    """Return the first frame with these values."""
    while True:
        frame = await ws.receive_json(timeout=10)
        if frame.items() >= wanted.items():
            return frame


async def is_closed(ws: aiohttp.ClientWebSocketResponse) -> str:
    """Read until the service closes the connection; return its last message."""
    message = str((await wait_for(ws, event="disconnected"))["message"])
    end = await ws.receive(timeout=10)
    assert end.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    return message


@pytest_asyncio.fixture(loop_scope="module")
async def door(stack: Running) -> AsyncIterator[Door]:
    async with aiohttp.ClientSession() as session:
        yield Door(stack, session)


def new_user() -> str:
    return new_room().replace("room", "mallory")


async def test_who_is_removed_from_the_hub_is_out_and_stays_out(door: Door) -> None:
    """Every connection is closed, with the reason; a token of before does not help."""
    mallory, room = new_user(), new_room()
    _, old = await door.negotiate(mallory, room)
    sockets = [await door.enter(mallory, room) for _ in range(2)]
    async with await door.enter("bo", room) as bo:
        response, removal = await door.remove(mallory, minutes=60, reason="spam")
        assert response.status == 201
        assert response.headers["Location"] == f"/api/removals/{removal['id']}"
        assert removal["connectionsClosed"] is True
        expected = {"userId": mallory, "group": None, "minutes": 60, "reason": "spam"}
        assert removal.items() >= expected.items()
        for ws in sockets:
            assert (await is_closed(ws)).endswith(" Reason: removed: spam")
        await wait_for(bo, data=f"{mallory} left {room}")
    status, problem = await door.negotiate(mallory, room)
    assert (status, problem["type"]) == (403, "urn:problem-type:usher:removed")
    assert problem.items() >= {"group": None, "until": removal["until"], "reason": "spam"}.items()
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await door.session.ws_connect(old["url"], protocols=[PROTOCOL])
    assert caught.value.status == 401
    assert (await door.negotiate("bo", room))[0] == 200


async def test_who_is_removed_from_a_group_stays_in_the_others(door: Door) -> None:
    """The connection is told, and cannot send to the group any more."""
    mallory, room, other = new_user(), new_room(), new_room()
    members = Room(door.stack, door.session, room)
    async with await door.enter(mallory, room, other) as ws, await door.enter("bo", room) as bo:
        assert (await door.negotiate(mallory, room))[0] == 200
        response, removal = await door.remove(mallory, group=room)
        assert (response.status, removal["membershipsEnded"], removal["minutes"]) == (201, 1, 60)
        frame = await wait_for(ws, **{"from": "server"})
        assert frame["data"] == {"type": "removed", "group": room, "reason": ""}
        await wait_for(bo, data=f"{mallory} left {room}")
        assert set(await members.members()) == {"bo"}
        for ack, (group, success) in enumerate([(room, False), (other, True)]):
            message = {"type": "sendToGroup", "group": group, "data": "hi", "ackId": ack + 1}
            await ws.send_json(message)
            assert (await wait_for(ws, type="ack"))["success"] is success
        assert (await door.negotiate(mallory, room))[0] == 403
        assert (await door.negotiate(mallory, other, room))[0] == 403
        assert (await door.negotiate(mallory, other))[0] == 200


async def test_the_same_removal_again_is_the_same(door: Door) -> None:
    """Other minutes or another reason replace what is in force; the id stays."""
    mallory = new_user()
    first, removal = await door.remove(mallory, minutes=5)
    again, repeated = await door.remove(mallory, minutes=5)
    assert (first.status, again.status) == (201, 200)
    assert "Location" not in again.headers
    assert repeated == removal | {"connectionsClosed": False}
    changed, longer = await door.remove(mallory, minutes=500)
    assert (changed.status, longer["id"]) == (200, removal["id"])
    assert longer["until"] > removal["until"]
    _, only = await door.remove(mallory, group="lobby", minutes=5)
    assert only["id"] != removal["id"]
    _, page = await door.call("GET")
    mine = [one for one in page["removals"] if one["userId"] == mallory]
    assert {one["id"] for one in mine} == {removal["id"], only["id"]}


async def test_a_removal_is_lifted(door: Door) -> None:
    mallory = new_user()
    _, removal = await door.remove(mallory)
    path = f"/{removal['id']}"
    response, shown = await door.call("GET", path)
    assert (response.status, shown["userId"]) == (200, mallory)
    assert (await door.negotiate(mallory))[0] == 403
    assert (await door.call("DELETE", path))[0].status == 204
    for method in ("GET", "DELETE"):
        response, problem = await door.call(method, path)
        assert (response.status, problem["type"]) == (404, "urn:problem-type:usher:not-found")
    assert (await door.negotiate(mallory))[0] == 200


async def test_with_0_minutes_nobody_is_banned(door: Door) -> None:
    mallory, room = new_user(), new_room()
    async with await door.enter(mallory, room) as ws:
        response, removal = await door.remove(mallory, minutes=0)
        assert (response.status, removal["id"], removal["until"]) == (200, None, None)
        assert removal["connectionsClosed"] is True
        assert (await is_closed(ws)).endswith(" Reason: removed")
    assert (await door.negotiate(mallory))[0] == 200


async def test_provision_asks_the_bans(door: Door) -> None:
    mallory, room = new_user(), new_room()
    await door.remove(mallory, group=room)
    url = f"{door.stack.facts['host']}/api/provision"
    body = {"group": room, "connectionId": "c", "announcement": "hi", "userId": mallory}
    async with door.session.post(url, data=json.dumps(body), headers=door.key) as response:
        assert (response.status, (await response.json())["type"]) == (
            403,
            "urn:problem-type:usher:removed",
        )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "userId"),
        ({"userId": "a/b"}, "userId"),
        ({"userId": ".."}, "userId"),
        ({"userId": 1}, "userId"),
        ({"userId": "m", "group": ""}, "group"),
        ({"userId": "m", "minutes": -1}, "minutes"),
        ({"userId": "m", "minutes": 525_601}, "minutes"),
        ({"userId": "m", "minutes": 1.5}, "minutes"),
        ({"userId": "m", "minutes": True}, "minutes"),
        ({"userId": "m", "reason": "r" * 101}, "reason"),
        ({"userId": "m", "reason": "two\nlines"}, "reason"),
        ({"userId": "m", "hub": "other"}, "hub"),
        ({"userId": "m", "until": "tomorrow"}, "until"),
    ],
)
async def test_a_wrong_request(door: Door, body: dict[str, Any], field: str) -> None:
    response, problem = await door.call("POST", body=body)
    assert (response.status, problem["field"]) == (400, field)


@pytest.mark.parametrize("path", ["?after=x", "?after=a&after=b", "?after=" + "0" * 33])
async def test_a_wrong_page(door: Door, path: str) -> None:
    response, problem = await door.call("GET", path)
    assert (response.status, problem["field"]) == (400, "after")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", ""), ("GET", ""), ("GET", "/a-b"), ("DELETE", "/a-b")]
)
async def test_the_function_key_is_required(door: Door, method: str, path: str) -> None:
    door.key = {}
    response, nothing = await door.call(method, path, {"userId": "m"} if method == "POST" else None)
    assert (response.status, nothing) == (401, None)


async def test_a_connection_that_slips_through_is_taken_out(door: Door) -> None:
    """Its `connect` was accepted before the removal, and its `connected` comes after all of it."""
    mallory, room = new_user(), new_room()
    faults = Room(door.stack, door.session, room)
    await faults.set_faults("event-delayed:ms=6000,event=connected")
    try:
        _, token = await door.negotiate(mallory, room)
        # The emulator is slower than the removal here: both rounds of it end before the event.
        removing = asyncio.create_task(door.remove(mallory, group=room))
        async with door.session.ws_connect(token["url"], protocols=[PROTOCOL]) as ws:
            await removing
            await wait_for(ws, **{"from": "server"})
        door.stack.wait_for_record(record="removal", userId=mallory, group=room)
    finally:
        await faults.set_faults()
