"""Tests of localdev/emulator/server.py over sockets: reliable clients that lose their socket."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, web
from aiohttp.test_utils import TestServer
from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubclient.aio import WebPubSubClient as AsyncWebPubSubClient
from azure.messaging.webpubsubclient.models import CallbackType
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from localdev.emulator.frame_queue import FRAME_LIMIT
from localdev.emulator.server import Emulator
from localdev.emulator.tokens import ACCESS_KEY, sign_reconnection_token
from tests.localdev.emulator.app import App
from tests.localdev.emulator.clients import Clients
from tests.localdev.emulator.proxy import Proxy
from tests.localdev.emulator.samples import JSON, RELIABLE
from tests.localdev.emulator.test_server import ANY_GROUP, client_url, closing, receive, service

REFUSED = (1008, "The connection could not be recovered.")


async def reliable(
    emulator: Emulator, clients: Clients, **grants: Any
) -> tuple[ClientWebSocketResponse, str, str]:
    """A reliable client, its connection id and the URL at which it can recover."""
    socket = await clients.connect(await client_url(emulator, **grants), protocols=[RELIABLE])
    connected = await receive(socket)
    name, token = connected["connectionId"], connected["reconnectionToken"]
    return socket, name, recovery_url(emulator, name, token)


def recovery_url(emulator: Emulator, connection_id: str, token: str, hub: str = "chat") -> str:
    """Where a reliable client comes back."""
    query = f"awps_connection_id={connection_id}&awps_reconnection_token={token}"
    return f"{emulator.endpoint}/client/hubs/{hub}?{query}"


def abort(socket: ClientWebSocketResponse) -> None:
    """Reset a client's TCP connection."""
    connection = socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.abort()


async def test_a_recovery(emulator: Emulator, clients: Clients, app: App) -> None:
    """All that was sent to a client without a socket comes first, and the app hears of nothing."""
    socket, name, url = await reliable(
        emulator, clients, user_id="ann", groups=["g"], roles=ANY_GROUP
    )
    async with service(emulator) as client:
        await client.send_to_all({"n": 1})
        first = await socket.receive_str(timeout=5)
        abort(socket)
        await client.send_to_user("ann", {"n": 2})
        await client.remove_connection_from_group("g", name)
        await client.add_connection_to_group("h", name)
        assert await client.connection_exists(name)
        # The access token is not looked at, nor is what the client offers.
        again = await clients.connect(url + "&access_token=expired", protocols=[JSON])
        assert again._response.headers["Sec-WebSocket-Protocol"] == RELIABLE
        assert await again.receive_str(timeout=5) == first
        second = await receive(again)
        assert (second["sequenceId"], second["data"]) == (2, {"n": 2})
        await client.send_to_group("g", "no member any more")
        await client.send_to_group("h", {"n": 3})
    third = await receive(again)
    assert (third["sequenceId"], third["group"]) == (3, "h")
    await again.send_json({"type": "sendToGroup", "group": "h", "data": 4, "ackId": 1})
    assert (await receive(again))["fromUserId"] == "ann"
    assert (await receive(again))["success"]
    assert app.events == ["connect", "connected"]


async def test_acknowledged_messages_do_not_come_again(
    emulator: Emulator, clients: Clients
) -> None:
    """sequenceAck releases a message and all before it."""
    socket, _, url = await reliable(emulator, clients)
    async with service(emulator) as client:
        for number in (1, 2, 3):
            await client.send_to_all({"n": number})
        await socket.send_json({"type": "sequenceAck", "sequenceId": 2})
        await socket.send_json({"type": "ping"})
        while (await receive(socket))["type"] != "pong":
            pass
    abort(socket)
    again = await clients.connect(url, protocols=[RELIABLE])
    assert (await receive(again))["sequenceId"] == 3


async def test_a_new_socket_replaces_the_old_one(clients: Clients) -> None:
    """The old one is aborted without a close frame; the connection goes on with the new one."""
    async with Emulator(retention_seconds=0) as emulator, service(emulator) as client:
        old, name, url = await reliable(emulator, clients)
        new = await clients.connect(url, protocols=[RELIABLE])
        message = await old.receive(timeout=5)
        assert message.type.name in ("CLOSED", "ERROR")
        for number in (1, 2):
            await client.send_to_connection(name, {"n": number})
            assert (await receive(new))["sequenceId"] == number
        assert await client.connection_exists(name)


@pytest.mark.parametrize("token", ["", "nonsense", "another", "key"])
async def test_recovery_needs_the_token(emulator: Emulator, clients: Clients, token: str) -> None:
    """Without the token of its own connection a client is let in, and told to give up."""
    _, name, _ = await reliable(emulator, clients)
    texts = {
        "another": sign_reconnection_token(ACCESS_KEY, "c2"),
        "key": sign_reconnection_token("k" * 32, name),
    }
    url = recovery_url(emulator, name, texts.get(token, token))
    socket = await clients.connect(url, protocols=[RELIABLE])
    assert socket.protocol == RELIABLE
    assert await closing(socket) == REFUSED


async def test_what_cannot_be_recovered(emulator: Emulator, clients: Clients) -> None:
    """A connection that never was or is not reliable, and one of another hub."""
    _, name, url = await reliable(emulator, clients)
    simple = await clients.connect(await client_url(emulator), protocols=[JSON])
    simple_id = (await receive(simple))["connectionId"]
    urls = [
        recovery_url(emulator, other, sign_reconnection_token(ACCESS_KEY, other))
        for other in ("nobody", simple_id)
    ]
    for refused in (*urls, url.replace("/hubs/chat?", "/hubs/other?")):
        assert await closing(await clients.connect(refused, protocols=[RELIABLE])) == REFUSED
    await clients.connect(url.replace("/hubs/chat?", "/hubs/CHAT?"), protocols=[RELIABLE])
    async with service(emulator) as client:
        await client.send_to_connection(name, "x")


async def test_a_stray_token_is_a_new_connection(emulator: Emulator, clients: Clients) -> None:
    """Only the connection id in the query asks for a recovery."""
    _, name, _ = await reliable(emulator, clients)
    url = await client_url(emulator) + "&awps_reconnection_token=x"
    socket = await clients.connect(url, protocols=[RELIABLE])
    assert (await receive(socket))["connectionId"] != name


@pytest.mark.parametrize(("code", "is_kept"), [(1001, True), (1000, False), (None, False)])
async def test_close_frames(
    emulator: Emulator, clients: Clients, app: App, code: int | None, is_kept: bool
) -> None:
    """1000, or no code at all, is a goodbye; any other code keeps the session."""
    socket, _, url = await reliable(emulator, clients)
    if code is None:
        await socket.send_frame(b"", web.WSMsgType.CLOSE)
        await socket.receive(timeout=5)
    else:
        await socket.close(code=code, message=b"bye")
    again = await clients.connect(url, protocols=[RELIABLE])
    if is_kept:
        await again.send_json({"type": "ping"})
        assert await receive(again) == {"type": "pong"}
        assert app.events == ["connect", "connected"]
    else:
        assert await closing(again) == REFUSED
        await app.wait_for("connect", "connected", "disconnected")


async def test_a_closed_connection_stays_closed(
    emulator: Emulator, clients: Clients, app: App
) -> None:
    """The app may close a connection that has no socket; its recovery then fails."""
    socket, name, url = await reliable(emulator, clients)
    abort(socket)
    async with service(emulator) as client:
        await client.close_connection(name, reason="late")
        assert not await client.connection_exists(name)
    assert await closing(await clients.connect(url, protocols=[RELIABLE])) == REFUSED
    await app.wait_for("connect", "connected", "disconnected")
    reason = "Application server closed the connection. Reason: late"
    assert json.loads(app.last("disconnected").body) == {"reason": reason}


async def test_the_retention_time(clients: Clients) -> None:
    """When it is over, the app hears of the end, and a recovery fails."""
    app = App()
    async with TestServer(app.application()) as server, Emulator(retention_seconds=0.01) as short:
        short.add_event_handler("chat", str(server.make_url("/")) + "hooks/{hub}/{event}")
        socket, _, url = await reliable(short, clients)
        await app.wait_for("connect", "connected")
        abort(socket)
        await app.wait_for("connect", "connected", "disconnected")
        reason = "The connection recovery timeout expired."
        assert json.loads(app.last("disconnected").body) == {"reason": reason}
        assert await closing(await clients.connect(url, protocols=[RELIABLE])) == REFUSED


async def test_a_client_that_acknowledges_nothing(
    emulator: Emulator, clients: Clients, app: App
) -> None:
    """1,000 messages are kept for it; one more closes it with 1008, and it cannot recover."""
    socket, _, url = await reliable(emulator, clients, groups=["g"], roles=ANY_GROUP)
    for _ in range(FRAME_LIMIT + 1):
        await socket.send_json({"type": "sendToGroup", "group": "g", "data": 1})
    for number in range(1, FRAME_LIMIT + 1):
        assert (await receive(socket))["sequenceId"] == number
    assert await closing(socket) == (1008, "The reliable message buffer is full.")
    assert await closing(await clients.connect(url, protocols=[RELIABLE])) == REFUSED
    await app.wait_for("connect", "connected", "disconnected")


# --- the official clients ----------------------------------------------------------------


def through(proxy: Proxy) -> WebPubSubServiceClient:
    """A data plane client whose tokens are for the proxy's address."""
    text = f"Endpoint={proxy.endpoint};AccessKey={ACCESS_KEY};Version=1.0;"
    return WebPubSubServiceClient.from_connection_string(text, "chat")


async def test_the_official_client_loses_nothing(
    emulator: Emulator, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 100 drops no message is lost, doubled or out of order, and the connection is one."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / 100)

    # Its waits of a second: between acknowledgements, and in vain at each recovery.
    clock = SimpleNamespace(**vars(asyncio) | {"sleep": sleep})
    monkeypatch.setattr("azure.messaging.webpubsubclient.aio._client.asyncio", clock)
    received: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    async def on_message(message: Any) -> None:
        received.put_nowait((message.sequence_id, message.data["n"]))

    async with Proxy(emulator.endpoint) as proxy, through(proxy) as grant:
        url = (await grant.get_client_access_token(user_id="ann"))["url"]
        client = AsyncWebPubSubClient(url, auto_reconnect=False)
        await client.subscribe(CallbackType.SERVER_MESSAGE, on_message)
        async with client, service(emulator) as rest:
            for number in range(1, 201, 2):
                await rest.send_to_user("ann", {"n": number})
                proxy.cut()
                await rest.send_to_user("ann", {"n": number + 1})
                for expected in (number, number + 1):
                    got = await asyncio.wait_for(received.get(), 5)
                    assert got == (expected, expected)
            assert received.empty()
    await app.wait_for("connect", "connected", "disconnected")


async def test_the_official_client_without_asyncio(emulator: Emulator, app: App) -> None:
    """The one with threads recovers, too."""
    loop = asyncio.get_running_loop()
    received: asyncio.Queue[int] = asyncio.Queue()

    def on_message(message: Any) -> None:
        loop.call_soon_threadsafe(received.put_nowait, message.data["n"])

    async with Proxy(emulator.endpoint) as proxy, through(proxy) as grant:
        url = (await grant.get_client_access_token(user_id="ann"))["url"]
        client = WebPubSubClient(url, auto_reconnect=False)
        client.subscribe(CallbackType.SERVER_MESSAGE, on_message)
        await asyncio.to_thread(client.open)
        async with service(emulator) as rest:
            await rest.send_to_user("ann", {"n": 1})
            proxy.cut()
            await rest.send_to_user("ann", {"n": 2})
            assert [await asyncio.wait_for(received.get(), 10) for _ in range(2)] == [1, 2]
        assert app.events == ["connect", "connected"]
        await asyncio.to_thread(client.close)
