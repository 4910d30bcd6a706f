"""Tests of sockets.py over sockets: frames of clients, and their limits."""

import asyncio
import json

import pytest
from aiohttp import WSServerHandshakeError

from unit.app import App
from unit.clients import Clients
from unit.raw_socket import CLOSE, FIN, TEXT, RawSocket
from unit.samples import JSON, RELIABLE
from unit.test_server import (
    client_url,
    service,
)
from webpubsub_emulator.server import Emulator

PING = b'{"type":"ping"}'
PONG = b'{"type":"pong"}'


async def raw_socket(emulator: Emulator, subprotocol: str = JSON) -> tuple[RawSocket, str]:
    """Return a client that has read its connected frame, and its connection id."""
    socket = await RawSocket.connect(await client_url(emulator), subprotocol)
    _, payload = await socket.read()
    return socket, json.loads(payload)["connectionId"]


# --- handshakes --------------------------------------------------------------------------


async def test_nothing_is_compressed(emulator: Emulator, clients: Clients) -> None:
    """An offer to compress is not accepted."""
    socket = await clients.connect(await client_url(emulator), protocols=[JSON], compress=15)
    assert socket.compress == 0


async def test_the_text_of_a_refusal(emulator: Emulator, clients: Clients) -> None:
    """A token with an impossible group is answered 400 with a text that says so."""
    url = (await client_url(emulator, groups=[" "])).replace("ws", "http", 1)
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with clients.session.get(url, headers=headers) as response:
        text = await response.text()
    assert (response.status, text) == (400, "The token contains an invalid group name.")


async def test_a_hub_that_cannot_be(emulator: Emulator, clients: Clients) -> None:
    """A hub name with a hyphen is a 400, even without a token."""
    with pytest.raises(WSServerHandshakeError) as caught:
        await clients.connect(f"{emulator.endpoint}/client/hubs/a-b")
    assert caught.value.status == 400


# --- frames ------------------------------------------------------------------------------


async def test_fragments_are_joined(emulator: Emulator) -> None:
    """Several frames are one message, also with a ping between them."""
    socket, _ = await raw_socket(emulator)
    socket.send(TEXT, PING[:4])
    socket.send(0x0, PING[4:8])
    socket.send(FIN | 0x9, b"data")
    socket.send(FIN | 0x0, PING[8:])
    assert await socket.read() == (0xA, b"data")
    assert await socket.read() == (TEXT, PONG)
    socket.abort()


@pytest.mark.parametrize(
    ("first_byte", "payload", "code"),
    [
        (FIN | TEXT, b"\xff", 1007),
        (FIN | 0x3, b"x", 1002),
        (FIN | 0x40 | TEXT, PING, 1002),
        (FIN | 0x0, PING, 1002),
    ],
)
@pytest.mark.parametrize("subprotocol", [JSON, RELIABLE])
async def test_bad_frames(
    emulator: Emulator, app: App, subprotocol: str, first_byte: int, payload: bytes, code: int
) -> None:
    """A violation of RFC 6455 ends this connection at once, even a reliable one."""
    bad, bad_id = await raw_socket(emulator, subprotocol)
    good, good_id = await raw_socket(emulator)
    bad.send(first_byte, payload)
    assert await bad.closing() == code
    good.send(FIN | TEXT, PING)
    assert await good.read() == (TEXT, PONG)
    await app.wait_for("connect", "connected", "connect", "connected", "disconnected")
    async with service(emulator) as client:
        assert not await client.connection_exists(bad_id)
        assert await client.connection_exists(good_id)
    good.abort()
    bad.abort()


async def test_a_close_waits_for_the_answer(emulator: Emulator) -> None:
    """A client that broke the JSON protocol may finish sending and close."""
    socket, _ = await raw_socket(emulator)
    socket.send(FIN | TEXT, b"nonsense")
    for _ in range(100):
        socket.send(FIN | TEXT, PING)
    assert await socket.closing() == 1007
    socket.send(FIN | CLOSE, b"\x03\xef")
    with pytest.raises(asyncio.IncompleteReadError):
        await socket.read()
    socket.abort()


# --- limits ------------------------------------------------------------------------------


@pytest.mark.parametrize("subprotocol", [JSON, RELIABLE])
async def test_a_client_that_does_not_read(
    emulator: Emulator, clients: Clients, app: App, subprotocol: str
) -> None:
    """It is closed when too much is queued; meanwhile all others get their messages at once."""
    slow, slow_id = await raw_socket(emulator, subprotocol)
    fast = await clients.connect(await client_url(emulator), max_msg_size=0)
    data = "x" * 2**20
    async with service(emulator) as client:
        for _ in range(40):  # 16 MiB in the emulator, and the system's buffers
            await client.send_to_all(data, content_type="text/plain")
            assert await fast.receive_str(timeout=60) == data
        assert not await client.connection_exists(slow_id)
    await app.wait_for("connect", "connected", "connect", "connected", "disconnected")
    slow.abort()
