"""Light clients against a real WebSocket server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from localdev.light_client import LightClient, upgrade_request


class Listener(LightClient):
    """Keeps the messages that it receives."""

    def __init__(self, request: bytes) -> None:
        super().__init__(request)
        self.received: list[bytes] = []
        self.ended = asyncio.Event()

    def hear(self, payload: bytes) -> None:
        self.received.append(payload)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.ended.set()


async def greet(request: web.Request) -> web.StreamResponse:
    """Send the subprotocol, ping, echo two messages, and close with 4000."""
    websocket = web.WebSocketResponse(protocols=["chat"], autoping=False)
    await websocket.prepare(request)
    await websocket.send_str(f"{websocket.ws_protocol} {request.query_string}")
    await websocket.ping(b"are you there")
    for _ in range(2):
        message = await websocket.receive()
        data = message.data if message.type == WSMsgType.TEXT else message.data.decode()
        await websocket.send_str(f"{message.type.name} {data}")
    await websocket.close(code=4000)
    return websocket


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_get("/greet", greet)
    subject = TestServer(app)
    await subject.start_server()
    yield subject
    await subject.close()


async def open_client(server: TestServer, path: str, subprotocol: str = "") -> Listener:
    request = upgrade_request(str(server.make_url(path)), subprotocol)
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: Listener(request), server.host, server.port or 0
    )
    return client


async def test_a_conversation(server: TestServer) -> None:
    """Texts both ways, the response to a ping, and the close code."""
    client = await open_client(server, "/greet?a=b", "chat")
    await client.opened
    client.send(b"hello")
    await client.ended.wait()
    first, *others = client.received
    assert first == b"chat a=b"
    assert sorted(others) == [b"PONG are you there", b"TEXT hello"]
    assert (client.is_gone, client.close_code) == (True, 4000)


async def test_an_empty_subprotocol_is_not_requested(server: TestServer) -> None:
    client = await open_client(server, "/greet?a=b")
    await client.opened
    client.send(b"hello")
    await client.ended.wait()
    assert client.received[0] == b"None a=b"


async def test_the_error_has_the_status_of_a_denial(server: TestServer) -> None:
    client = await open_client(server, "/nowhere?a=b")
    with pytest.raises(ConnectionError, match="404 Not Found"):
        await client.opened


async def test_an_end_before_the_upgrade_is_an_error() -> None:

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        request = upgrade_request(f"http://127.0.0.1:{port}/?a=b", "")
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(lambda: Listener(request), "127.0.0.1", port)
        with pytest.raises(ConnectionError, match="before the upgrade"):
            await client.opened
