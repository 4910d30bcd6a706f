"""Tests of server.py over sockets: each fault happens."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.core.exceptions import ResourceNotFoundError

from unit.app import App
from unit.clients import Clients
from unit.samples import RELIABLE
from unit.test_server import bearer, client_url, opened, receive, service
from unit.test_server_control import ended, until
from unit.test_server_recovery import reliable
from webpubsub_emulator.faults import Faults, parse_fault
from webpubsub_emulator.server import Emulator

Switch = Callable[..., None]


@pytest.fixture
def faults() -> Faults:
    """Return the faults of the emulator, none at first."""
    return Faults()


@pytest.fixture
async def emulator(faults: Faults) -> AsyncIterator[Emulator]:
    """Yield an emulator with these faults."""
    async with Emulator(retry_delays=(0.01,), faults=faults) as running:
        yield running


@pytest.fixture
def switch(faults: Faults) -> Switch:
    """Replace the faults."""

    def replace(*texts: str) -> None:
        faults.replace([parse_fault(text) for text in texts], 0)

    return replace


# --- connections -------------------------------------------------------------------------


async def test_late_visibility(emulator: Emulator, clients: Clients, switch: Switch) -> None:
    """Calls that name a new connection or its user do not find it; it gets group messages."""
    switch("late-visibility:ms=600000")
    socket, name = await opened(emulator, clients, user_id="ann", groups=["g"])
    async with service(emulator) as client:
        with pytest.raises(ResourceNotFoundError, match="is not found"):
            await client.add_connection_to_group("h", name)
        assert not await client.user_exists("ann")
        await client.send_to_group("g", {"n": 1})
    assert (await receive(socket))["data"] == {"n": 1}


async def test_late_visibility_ends(emulator: Emulator, clients: Clients, switch: Switch) -> None:
    """By itself, also when the fault was removed."""
    switch("late-visibility:ms=20")
    _, name = await opened(emulator, clients, user_id="ann")
    switch()
    async with service(emulator) as client:
        await until(lambda: client.connection_exists(name))
        await client.add_connection_to_group("h", name)
        assert await client.user_exists("ann")


async def test_late_visibility_does_not_affect_recovery(
    emulator: Emulator, clients: Clients, switch: Switch
) -> None:
    """A connection that REST calls do not find yet recovers with its subprotocol."""
    switch("late-visibility:ms=600000")
    socket, name, url = await reliable(emulator, clients)
    again = await clients.connect(url, protocols=[])
    assert again._response.headers["Sec-WebSocket-Protocol"] == RELIABLE
    async with service(emulator) as client:
        assert not await client.connection_exists(name)
    assert await ended(socket) == 1006


async def test_dropped_connections(
    emulator: Emulator, clients: Clients, app: App, switch: Switch
) -> None:
    """An open client is aborted without a close frame, and the app gets disconnected."""
    switch("connection-dropped:ms=1")
    # A simple client, because it gets no frame before the message.
    socket = await clients.connect(await client_url(emulator))
    assert await ended(socket) == 1006
    await app.wait_for("connect", "connected", "disconnected")


# --- REST --------------------------------------------------------------------------------


async def send(emulator: Emulator, clients: Clients) -> aiohttp.ClientResponse:
    """Return the response to a message for all."""
    url = f"{emulator.endpoint}/api/hubs/chat/:send"
    text = {"Content-Type": "text/plain"}
    async with clients.session.post(url, data="hello", headers=bearer() | text) as response:
        await response.read()
        return response


@pytest.mark.parametrize(
    ("fault", "status", "acted"),
    [
        ("rest-throttled:retry-after=7", 429, False),
        ("rest-forbidden", 403, False),
        ("rest-error:status=503", 503, False),
        ("rest-error", 500, False),
        ("rest-error-after:status=599", 599, True),
        ("rest-slow:ms=1", 202, True),
    ],
)
async def test_calls_that_fail(
    emulator: Emulator, clients: Clients, switch: Switch, fault: str, status: int, acted: bool
) -> None:
    """With the fault's status, before or after the effect; each response names the fault."""
    socket, _ = await opened(emulator, clients)
    switch(fault)
    response = await send(emulator, clients)
    assert response.status == status
    if status != 202:
        assert response.headers["x-ms-error-code"] == f"Fault.{fault.partition(':')[0]}"
    assert response.headers.get("Retry-After") == ("7" if status == 429 else None)
    await socket.send_json({"type": "ping"})
    frames = [await receive(socket) for _ in range(2 if acted else 1)]
    assert frames[-1] == {"type": "pong"}


async def list_group(emulator: Emulator, clients: Clients) -> tuple[list[str], datetime]:
    """Return the connection ids of a list of group g, and its Date."""
    url = f"{emulator.endpoint}/api/hubs/chat/groups/g/connections"
    async with clients.session.get(url, headers=bearer()) as response:
        members = (await response.json())["value"]
        assert "x-ms-error-code" not in response.headers
        date = parsedate_to_datetime(response.headers["Date"])
        return [member["connectionId"] for member in members], date


async def test_lists_that_are_stale_by_time(
    emulator: Emulator, clients: Clients, switch: Switch
) -> None:
    """The list is as it was when the fault began, and so is its Date."""
    _, old = await opened(emulator, clients, groups=["g"])
    switch("stale-list:ms=600000")
    first = await list_group(emulator, clients)
    assert first[0] == [old]
    _, new = await opened(emulator, clients, groups=["g"])
    async with service(emulator) as client:
        await client.remove_connection_from_group("g", old)

    async def has_another_date() -> bool:
        return time.time() >= first[1].timestamp() + 1

    await until(has_another_date)
    assert await list_group(emulator, clients) == first
    switch()
    present = await list_group(emulator, clients)
    assert present[0] == [new]
    assert present[1] > first[1]


async def test_lists_that_are_stale_by_count(
    emulator: Emulator, clients: Clients, switch: Switch
) -> None:
    """The lists after a change do not show it; a restart is no change of the past."""
    switch("stale-list:calls=2")
    _, name = await opened(emulator, clients, groups=["g"])
    lists = [await list_group(emulator, clients) for _ in range(3)]
    assert [members for members, _ in lists] == [[], [], [name]]
    assert lists == sorted(lists, key=lambda one: one[1])


async def test_a_slow_call(emulator: Emulator, clients: Clients, switch: Switch) -> None:
    """The effect comes before the response, and so does the moment of its Date."""
    socket, _ = await opened(emulator, clients)
    switch("rest-slow:ms=1200")  # more than the whole seconds of a Date
    began = asyncio.get_running_loop().time()
    calling = asyncio.create_task(send(emulator, clients))
    assert (await receive(socket))["data"] == "hello"
    assert not calling.done()
    seen = time.time()
    response = await calling
    assert response.status == 202
    assert parsedate_to_datetime(response.headers["Date"]).timestamp() <= seen
    assert asyncio.get_running_loop().time() - began >= 1.2


async def test_which_calls_faults_spare(
    emulator: Emulator, clients: Clients, switch: Switch, faults: Faults
) -> None:
    """Health calls and bad requests have no fault; a call answered 404 has had no effect."""
    switch("rest-error-after", "rest-error:rate=0")
    for method, path, status in (
        ("HEAD", "/api/health", 200),
        ("POST", "/api/hubs/chat/:nothing", 404),
        ("POST", "/api/hubs/chat/:send", 401),
    ):
        async with clients.session.request(method, emulator.endpoint + path) as response:
            assert response.status == status
    async with service(emulator) as client:
        assert not await client.connection_exists("gone")
    assert [count for _, count in faults.counts()] == [0, 0]


# --- events ------------------------------------------------------------------------------


async def test_lost_events(emulator: Emulator, clients: Clients, app: App, switch: Switch) -> None:
    """A lost notification is missing; a lost connect refuses the client with 500."""
    switch("event-lost:event=connected")
    socket, _ = await opened(emulator, clients)
    await socket.close()
    await app.wait_for("connect", "disconnected")
    switch("event-lost:event=connect")
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await opened(emulator, clients)
    assert caught.value.status == 500
    assert app.events == ["connect", "disconnected"]


async def test_a_lost_user_event(
    emulator: Emulator, clients: Clients, app: App, switch: Switch
) -> None:
    """It fails as with an unreachable event handler, and the client stays."""
    socket, _ = await opened(emulator, clients)
    switch("event-lost")
    request = {"type": "event", "event": "e", "ackId": 1, "dataType": "text", "data": ""}
    await socket.send_json(request)
    assert (await receive(socket))["error"]["name"] == "InternalServerError"
    switch()
    await socket.send_json(request)
    assert (await receive(socket))["success"]
    await app.wait_for("connect", "connected", "e")


async def test_duplicated_events(
    emulator: Emulator, clients: Clients, app: App, switch: Switch
) -> None:
    """The same request is sent twice, and the last answer counts."""
    switch("event-duplicated:event=connect")
    app.scripts["connect"] = [
        web.json_response({"userId": "first"}),
        web.json_response({"userId": "second"}),
    ]
    socket = await clients.connect(await client_url(emulator), protocols=[RELIABLE])
    assert (await receive(socket))["userId"] == "second"
    await app.wait_for("connect", "connect", "connected")
    first, second = [r for r in app.received if r.headers.get("ce-eventname") == "connect"]
    assert first == second
    assert first.headers["ce-id"] == "0"


async def test_delayed_events(
    emulator: Emulator, clients: Clients, app: App, switch: Switch
) -> None:
    """connected arrives late, and later events wait for it, so the order stays."""
    switch("event-delayed:ms=2000,event=connected")
    first, name = await opened(emulator, clients)
    await first.close()
    switch()
    await opened(emulator, clients)
    await app.wait_for("connect", "connect", "connected", "connected", "disconnected")
    ids = [r.headers["ce-connectionid"] for r in app.received if r.method == "POST"]
    assert [one == name for one in ids] == [True, False, False, True, True]


async def test_reordered_events(
    emulator: Emulator, clients: Clients, app: App, switch: Switch
) -> None:
    """connected arrives after the event that follows it; ce-id has the true order."""
    switch("event-reordered")
    socket, _ = await opened(emulator, clients)
    await socket.close()
    await app.wait_for("connect", "disconnected", "connected")
    ids = [r.headers["ce-id"] for r in app.received if r.method == "POST"]
    assert ids == ["0", "2", "1"]


async def test_reordered_events_that_nothing_follows(clients: Clients) -> None:
    """They are cancelled with the emulator and leave no task."""
    before = asyncio.all_tasks()
    subject = App()
    server = TestServer(subject.application())
    await server.start_server()
    async with Emulator(faults=Faults([parse_fault("event-reordered")])) as emulator:
        emulator.add_event_handler("chat", f"{server.make_url('/')}hooks/{{hub}}/{{event}}")
        await opened(emulator, clients)
        await subject.wait_for("connect")
    await server.close()
    assert subject.events == ["connect"]
    assert asyncio.all_tasks() == before


async def test_a_cold_handler(
    emulator: Emulator, clients: Clients, app: App, switch: Switch
) -> None:
    """The client waits for the answer."""
    switch("handler-slow:ms=100")
    began = asyncio.get_running_loop().time()
    await opened(emulator, clients)
    assert asyncio.get_running_loop().time() - began >= 0.1
    await app.wait_for("connect", "connected")
