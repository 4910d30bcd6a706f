"""Tests of recovery over sockets: reliable clients that lose their socket."""

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

from unit.app import App
from unit.clients import Clients
from unit.proxy import Proxy
from unit.samples import RELIABLE
from unit.test_server import client_url, closing, receive, service
from webpubsub_emulator.server import Emulator
from webpubsub_emulator.tokens import ACCESS_KEY, sign_reconnection_token

REFUSED = (1008, "The connection could not be recovered.")


async def reliable(
    emulator: Emulator, clients: Clients, **grants: Any
) -> tuple[ClientWebSocketResponse, str, str]:
    """Return a reliable client, its connection id and its recovery URL."""
    socket = await clients.connect(await client_url(emulator, **grants), protocols=[RELIABLE])
    connected = await receive(socket)
    name, token = connected["connectionId"], connected["reconnectionToken"]
    return socket, name, recovery_url(emulator, name, token)


def recovery_url(emulator: Emulator, connection_id: str, token: str) -> str:
    query = f"awps_connection_id={connection_id}&awps_reconnection_token={token}"
    return f"{emulator.endpoint}/client/hubs/chat?{query}"


def abort(socket: ClientWebSocketResponse) -> None:
    connection = socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.abort()


async def test_a_token_of_another_key(emulator: Emulator, clients: Clients) -> None:
    """It recovers nothing."""
    _, name, _ = await reliable(emulator, clients)
    url = recovery_url(emulator, name, sign_reconnection_token("k" * 32, name))
    assert await closing(await clients.connect(url, protocols=[RELIABLE])) == REFUSED


async def test_a_close_without_a_code_is_a_goodbye(
    emulator: Emulator, clients: Clients, app: App
) -> None:
    """The connection ends, as with 1000."""
    socket, _, url = await reliable(emulator, clients)
    await socket.send_frame(b"", web.WSMsgType.CLOSE)
    await socket.receive(timeout=60)
    assert await closing(await clients.connect(url, protocols=[RELIABLE])) == REFUSED
    await app.wait_for("connect", "connected", "disconnected")


async def test_a_new_socket_replaces_the_old_one(clients: Clients) -> None:
    """The old one is aborted without a close frame; the connection continues on the new one."""
    async with Emulator(retention_seconds=0) as emulator, service(emulator) as client:
        old, name, url = await reliable(emulator, clients)
        new = await clients.connect(url, protocols=[RELIABLE])
        message = await old.receive(timeout=60)
        assert message.type.name in ("CLOSED", "ERROR")
        for number in (1, 2):
            await client.send_to_connection(name, {"n": number})
            assert (await receive(new))["sequenceId"] == number
        assert await client.connection_exists(name)


async def test_the_retention_time(clients: Clients) -> None:
    """After it the app gets disconnected, and a recovery fails."""
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


# --- the official clients ----------------------------------------------------------------


def through(proxy: Proxy) -> WebPubSubServiceClient:
    """Return a data plane client whose tokens are for the proxy's address."""
    text = f"Endpoint={proxy.endpoint};AccessKey={ACCESS_KEY};Version=1.0;"
    return WebPubSubServiceClient.from_connection_string(text, "chat")


async def test_the_official_client_loses_nothing(
    emulator: Emulator, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 100 drops no message is lost, repeated or out of order, on one connection."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / 100)

    # Shorten the client's waits of a second, between acknowledgements and at each recovery.
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
                    got = await asyncio.wait_for(received.get(), 60)
                    assert got == (expected, expected)
            assert received.empty()
    await app.wait_for("connect", "connected", "disconnected")


async def test_the_official_client_without_asyncio(emulator: Emulator, app: App) -> None:
    """The client with threads recovers too."""
    loop = asyncio.get_running_loop()
    received: asyncio.Queue[int] = asyncio.Queue()

    def on_message(message: Any) -> None:
        loop.call_soon_threadsafe(received.put_nowait, message.data["n"])

    async with Proxy(emulator.endpoint) as proxy, through(proxy) as grant:
        url = (await grant.get_client_access_token(user_id="ann"))["url"]
        # The client may not notice that it is open, and then waits for this long.
        client = WebPubSubClient(url, start_timeout=2, auto_reconnect=False)
        client.subscribe(CallbackType.SERVER_MESSAGE, on_message)
        await asyncio.to_thread(client.open)
        async with service(emulator) as rest:
            await rest.send_to_user("ann", {"n": 1})
            proxy.cut()
            await rest.send_to_user("ann", {"n": 2})
            assert [await asyncio.wait_for(received.get(), 60) for _ in range(2)] == [1, 2]
        assert app.events == ["connect", "connected"]
        await asyncio.to_thread(client.close)
