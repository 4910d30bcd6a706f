"""Tests of server.py: the emulator over sockets, as a Python object.

The behaviour of Azure is tested in contract.
"""

import asyncio
import json
import logging
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from yarl import URL

from unit.app import App
from unit.clients import Clients
from unit.samples import JSON
from webpubsub_emulator.server import Emulator
from webpubsub_emulator.tokens import ACCESS_KEY, sign_data_plane_token

Socket = aiohttp.ClientWebSocketResponse


def service(emulator: Emulator, hub: str = "chat") -> WebPubSubServiceClient:
    """Yield the official client of the data plane."""
    return WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub)


async def client_url(emulator: Emulator, **grants: Any) -> str:
    """Return a client access URL of the official client."""
    async with service(emulator) as client:
        token = await client.get_client_access_token(**grants)
    return str(token["url"])


async def opened(
    emulator: Emulator, clients: Clients, subprotocol: str = JSON, **grants: Any
) -> tuple[Socket, str]:
    """Return a JSON client and its connection id."""
    url = await client_url(emulator, **grants)
    socket = await clients.connect(url, protocols=[subprotocol])
    return socket, (await receive(socket))["connectionId"]


async def receive(socket: Socket) -> Any:
    """Return the next frame of a JSON client."""
    return json.loads(await socket.receive_str(timeout=60))


async def closing(socket: Socket) -> tuple[int | None, str | None]:
    """Return code and reason of the close frame, which must be the next frame."""
    message = await socket.receive(timeout=60)
    assert message.type is WSMsgType.CLOSE, message
    return message.data, message.extra


def bearer() -> dict[str, str]:
    """Return the header of a caller with a token for the whole data plane."""
    return {"Authorization": f"Bearer {sign_data_plane_token(ACCESS_KEY)}"}


# --- the emulator itself -----------------------------------------------------------------


async def test_nothing_is_left_running(clients: Clients) -> None:
    """Clients are closed with 1001, the port is free, and no task is left."""
    async with Emulator() as emulator:
        port = int(emulator.endpoint.rpartition(":")[2])
        socket, _ = await opened(emulator, clients)
        with pytest.raises(OSError, match="in use"):
            await Emulator(port=port).__aenter__()
        close = asyncio.create_task(closing(socket))
        await asyncio.sleep(0)
    assert (await close)[0] == 1001
    async with Emulator(port=port) as again:
        assert again.endpoint == f"http://127.0.0.1:{port}"
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_no_secret_is_logged(
    emulator: Emulator, clients: Clients, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls, clients and events are logged without tokens, queries, signatures and the key."""
    caplog.set_level(logging.DEBUG, "emulator")
    app.scripts["connected"] = [web.Response(status=400)]
    socket, connection_id = await opened(emulator, clients, user_id="ann")
    await app.wait_for("connect", "connected")
    async with service(emulator) as client:
        await client.close_connection(connection_id, reason="private")
    await closing_after_goodbye(socket)
    await app.wait_for("connect", "connected", "disconnected")
    lines = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "emulator"]
    texts = "\n".join(text for _, text in lines)
    assert f"DELETE /api/hubs/chat/connections/{connection_id} 204" in texts
    assert f"client opened: hub=chat connection={connection_id} user='ann'" in texts
    assert (
        "WARNING",
        f"event=connected hub=chat connection={connection_id} status=400 attempts=1",
    ) in lines
    signature = app.last("connected").headers["ce-signature"]
    for secret in (ACCESS_KEY, "eyJ", "c0de", "private", signature):
        assert secret not in texts


async def closing_after_goodbye(socket: Socket) -> None:
    """Read the frame that announces a close, and the close."""
    assert (await receive(socket))["event"] == "disconnected"
    assert (await closing(socket))[0] == 1000


# --- events ------------------------------------------------------------------------------


async def test_events_are_retried(emulator: Emulator, clients: Clients, app: App) -> None:
    """At most four times in total, with the same id; 4xx is final."""
    app.scripts["connect"] = [web.Response(status=503), web.Response(status=408)]
    app.scripts["e"] = [web.Response(status=500) for _ in range(4)] + [web.Response(status=429)]
    socket, _ = await opened(emulator, clients)
    await app.wait_for("connect", "connect", "connect", "connected")
    for ack_id in (1, 2):
        await socket.send_json({"type": "event", "event": "e", "data": 1, "ackId": ack_id})
        assert (await receive(socket))["error"]["name"] == "InternalServerError"
    tries = [(r.headers["ce-id"], r.headers["x-ms-client-request-id"]) for r in app.received
             if r.headers.get("ce-eventname") == "e"]  # fmt: skip
    assert [number for number, _ in tries] == ["2"] * 4 + ["3"]
    assert len(set(tries)) == 2


async def test_an_app_that_is_not_there(emulator: Emulator, clients: Clients) -> None:
    """If the event handler cannot be reached, clients are refused."""
    emulator.add_event_handler("chat", "http://127.0.0.1:1/")
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await opened(emulator, clients)
    assert caught.value.status == 500


async def test_a_client_that_leaves_during_connect(emulator: Emulator, app: App) -> None:
    """An app that accepted a client which is gone gets its events, in order."""
    app.slow.add("connect")
    url = URL(await client_url(emulator))
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        f"GET {url.raw_path_qs} HTTP/1.1\r\nHost: {url.authority}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    await app.wait_for("connect")
    writer.transport.abort()
    app.release.set()
    await app.wait_for("connect", "connected", "disconnected")


async def test_templates_are_checked(emulator: Emulator) -> None:
    """A bad event handler is refused when it is added."""
    with pytest.raises(ValueError, match="not a hub name"):
        emulator.add_event_handler("a-b", "http://h/")
    with pytest.raises(ValueError, match="two parameters"):
        emulator.add_event_handler("chat", "http://h/{user}")
