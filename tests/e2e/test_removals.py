"""`/api/removals` on the local stack: a removed user is out, stays out, and the room hears it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.clients import new_room
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.room import Room, wait_until
from tests.usher.settings import make_settings
from tests.usher.store.azurite import KEY as AZURITE_KEY
from tests.usher.store.azurite import run_azurite
from usher.store.bans import Bans
from usher.store.sqlite import SqliteStore

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOME_ID = f"{'0' * 32}-{'0' * 16}"
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
        assert (await ws.receive_json(timeout=60))["event"] == "connected"
        await wait_for(ws, data=f"{user} joined {groups[0]}")
        return ws


async def wait_for(ws: aiohttp.ClientWebSocketResponse, **wanted: Any) -> Any:
    """Return the first frame with these values."""
    while True:
        frame = await ws.receive_json(timeout=60)
        if frame.items() >= wanted.items():
            return frame


async def is_closed(ws: aiohttp.ClientWebSocketResponse) -> str:
    """Read until the service closes the connection; return its last message."""
    message = str((await wait_for(ws, event="disconnected"))["message"])
    end = await ws.receive(timeout=60)
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
    """The connection gets a message, and cannot send to the group any more."""
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
    response, problem = await door.call(method, path, {"userId": "m"} if method == "POST" else None)
    assert (response.status, problem["type"]) == (401, "about:blank")  # of the local host


# --- an instance that dies, and other stores ------------------------------------------------


class DeadInstance:
    """An instance that writes a ban, and dies before it ends anything."""

    def __init__(self, stack: Running) -> None:
        store = SqliteStore(stack.log_file.parent / "bans.sqlite")
        self._bans = Bans(store, make_settings())

    async def ban(self, user: str, group: str | None) -> None:
        await self._bans.add(user, group, 60, "spam")


@pytest.mark.parametrize("is_hub", [True, False], ids=["hub", "group"])
async def test_a_connection_that_slips_through_is_taken_out(door: Door, is_hub: bool) -> None:
    """`connect` admitted it before the ban; only its `connected` comes after it."""
    mallory, room = new_user(), new_room()
    members = Room(door.stack, door.session, room)
    await members.set_faults("event-delayed:ms=4000,event=connected")
    try:
        _, token = await door.negotiate(mallory, room)
        async with door.session.ws_connect(token["url"], protocols=[PROTOCOL]) as ws:
            assert (await ws.receive_json(timeout=60))["event"] == "connected"
            assert set(await members.members()) == {mallory}
            await DeadInstance(door.stack).ban(mallory, None if is_hub else room)
            if is_hub:
                assert (await is_closed(ws)).endswith(" Reason: removed: spam")
            else:
                frame = await wait_for(ws, **{"from": "server"})
                assert frame["data"] == {"type": "removed", "group": room, "reason": "spam"}
            assert await members.members() == {}
    finally:
        await members.set_faults()
    record = door.stack.wait_for_record(record="removal", userId=mallory)
    assert record["connectionId"]
    assert not door.stack.records(record="join", userId=mallory, addStatus=200)


async def test_the_same_call_ends_what_a_dead_instance_left(door: Door) -> None:
    mallory, room = new_user(), new_room()
    async with await door.enter(mallory, room) as ws:
        await DeadInstance(door.stack).ban(mallory, None)
        response, removal = await door.remove(mallory, minutes=60, reason="spam")
        assert (response.status, removal["connectionsClosed"]) == (200, True)
        await is_closed(ws)


async def test_many_connections_race_a_removal(door: Door) -> None:
    """With late visibility and slow events, on real sockets. In the end nobody is in."""
    room = new_room()
    members = Room(door.stack, door.session, room)
    await members.set_faults(
        "late-visibility:ms=800", "event-delayed:ms=900,rate=0.5", "rest-slow:ms=50,rate=0.3"
    )
    try:
        outcomes = await asyncio.gather(*(race(door, members, number) for number in range(12)))
    finally:
        await members.set_faults()
    assert any(outcomes)  # some connections were open when the removal began


async def race(door: Door, members: Room, number: int) -> bool:
    """Connect again and again while the user is removed; return whether a connection was open."""
    mallory = f"{new_user()}-{number}"
    _, token = await door.negotiate(mallory, members.name)
    sockets: list[aiohttp.ClientWebSocketResponse] = []

    async def connect() -> None:
        for _ in range(8):
            with suppress(aiohttp.WSServerHandshakeError):
                sockets.append(await door.session.ws_connect(token["url"], protocols=[PROTOCOL]))
            await asyncio.sleep(0.1)

    removing = asyncio.create_task(door.remove(mallory))
    connecting = asyncio.create_task(connect())
    response, _ = await removing
    assert response.status == 201
    await connecting

    async def is_out() -> bool:
        return mallory not in await members.members()

    await wait_until(is_out)
    for ws in sockets:
        await ws.close()
    return bool(sockets)


async def test_bans_are_off(door: Door, tmp_path: Path) -> None:
    """A removal can close connections, and nothing else."""
    with run([*UP, "--control"], tmp_path / "log", {"USHER_BANS": "off"}) as stack:
        off = Door(stack, door.session)
        room = new_room()
        async with await off.enter("mallory", room) as ws:
            for method, path, body in [
                ("POST", "", {"userId": "mallory"}),
                ("GET", "", None),
                ("GET", f"/{SOME_ID}", None),
                ("DELETE", f"/{SOME_ID}", None),
            ]:
                response, problem = await off.call(method, path, body)
                assert (response.status, problem["type"]) == (
                    409,
                    "urn:problem-type:usher:bans-off",
                )
            response, removal = await off.remove("mallory", minutes=0)
            assert (response.status, removal["connectionsClosed"]) == (200, True)
            await is_closed(ws)
        assert (await off.negotiate("mallory", room))[0] == 200


async def test_bans_in_a_table(door: Door, tmp_path: Path) -> None:
    """The journey with Azurite; when the table is gone, users are refused."""
    room = new_room()
    with ExitStack() as running:
        with run_azurite() as text:
            settings = {"USHER_BANS": "table", "AzureWebJobsStorage": text}
            stack = running.enter_context(run([*UP, "--control"], tmp_path / "log", settings))
            tabled = Door(stack, door.session)
            _, old = await tabled.negotiate("mallory", room)
            async with await tabled.enter("mallory", room) as ws:
                response, removal = await tabled.remove("mallory", reason="spam")
                assert response.status == 201
                assert (await is_closed(ws)).endswith(" Reason: removed: spam")
            assert (await tabled.negotiate("mallory", room))[0] == 403
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await door.session.ws_connect(old["url"], protocols=[PROTOCOL])
            assert (await tabled.call("DELETE", f"/{removal['id']}"))[0].status == 204
            _, token = await tabled.negotiate("mallory", room)
        status, problem = await tabled.negotiate("bo", room)
        assert (status, problem["type"]) == (503, "urn:problem-type:usher:store-failed")
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await door.session.ws_connect(token["url"], protocols=[PROTOCOL])
        assert caught.value.status == 500
        assert (await tabled.remove("bo"))[0].status == 503
        assert "AccountKey" not in stack.log()
        assert AZURITE_KEY not in stack.log()


# --- the command line ------------------------------------------------------------------------


async def test_the_commands(door: Door) -> None:
    mallory = new_user()
    url = ("--url", door.stack.facts["host"], "--key-from-env", "USHER_KEY")

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "localdev", *arguments, *url],
            env=os.environ | {"USHER_KEY": door.key["x-functions-key"]},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    options = ("--user", mallory, "--group", "lobby", "--minutes", "5", "--reason", "spam")
    done = await asyncio.to_thread(call, "remove", *options)
    assert (done.returncode, done.stderr) == (0, "")
    removal = json.loads(done.stdout)
    assert (removal["userId"], removal["group"], removal["minutes"]) == (mallory, "lobby", 5)
    done = await asyncio.to_thread(call, "removals")
    assert removal["id"] in [json.loads(line)["id"] for line in done.stdout.splitlines()]
    done = await asyncio.to_thread(call, "remove", "--user", "a/b")
    assert (done.returncode, done.stdout) == (1, "")
    assert "400 userId must" in done.stderr
