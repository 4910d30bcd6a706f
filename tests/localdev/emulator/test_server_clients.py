"""Tests of localdev/emulator/sockets.py over sockets: modes, frames and limits of clients."""

import asyncio
import json

import aiohttp
import pytest
from aiohttp import WSMsgType

from localdev.emulator.server import Emulator
from tests.localdev.emulator.app import App
from tests.localdev.emulator.clients import Clients
from tests.localdev.emulator.raw_socket import CLOSE, FIN, TEXT, RawSocket
from tests.localdev.emulator.samples import JSON, RELIABLE
from tests.localdev.emulator.test_server import (
    ANY_GROUP,
    client_url,
    closing,
    opened,
    receive,
    service,
)

PING = b'{"type":"ping"}'
PONG = b'{"type":"pong"}'


async def raw_socket(emulator: Emulator, subprotocol: str = JSON) -> tuple[RawSocket, str]:
    """A client that has read its connected frame, and its connection id."""
    socket = await RawSocket.connect(await client_url(emulator), subprotocol)
    _, payload = await socket.read()
    return socket, json.loads(payload)["connectionId"]


# --- the mode sendToGroup ----------------------------------------------------------------


async def test_a_simple_client_publishes(emulator: Emulator, clients: Clients, app: App) -> None:
    """Its frames go to the group of its URL and not to the app; by REST it hears bare messages."""
    listener, _ = await opened(emulator, clients, groups=["g"])
    url = await client_url(emulator, user_id="ann", roles=ANY_GROUP)
    socket = await clients.connect(url + "&webpubsub_mode=sendToGroup&group=g")
    for send in (socket.send_str("text"), socket.send_bytes(b"\xff")):
        await send
    frames = [await receive(listener) for _ in range(2)]
    assert [(one["dataType"], one["data"], one["fromUserId"]) for one in frames] == [
        ("text", "text", "ann"),
        ("binary", "/w==", "ann"),
    ]
    async with service(emulator) as client:
        await client.send_to_group("g", {"a": 1})
        await client.send_to_all({"b": 2})
    # Not a member, it gets the second message only.
    assert await socket.receive_str(timeout=5) == '{"b": 2}'
    assert app.events == ["connect", "connected", "connect", "connected"]


async def test_an_echo_is_for_members(emulator: Emulator, clients: Clients) -> None:
    """A simple client hears itself if it is in its group and did not ask for noEcho."""
    url = await client_url(emulator, groups=["g"], roles=["webpubsub.sendToGroup.g"])
    mode = "&webpubsub_mode=sendtogroup&group=g"
    loud = await clients.connect(url + mode)
    quiet = await clients.connect(url + mode + "&noEcho=TRUE")
    await quiet.send_str("quiet")
    assert await loud.receive_str(timeout=5) == "quiet"
    await loud.send_str("loud")
    assert await loud.receive_str(timeout=5) == "loud"
    assert await quiet.receive_str(timeout=5) == "loud"


async def test_publishing_needs_the_role(emulator: Emulator, clients: Clients) -> None:
    """Without it the client comes in, and its first frame closes it with 1008."""
    mode = "&webpubsub_mode=sendToGroup&group=g"
    socket = await clients.connect(await client_url(emulator) + mode)
    await socket.send_str("x")
    assert (await closing(socket))[0] == 1008


@pytest.mark.parametrize("subprotocol", [None, JSON])
@pytest.mark.parametrize("query", ["", "&group=", "&group=g&noEcho=1"])
async def test_a_mode_is_checked_before_the_upgrade(
    emulator: Emulator, clients: Clients, query: str, subprotocol: str | None
) -> None:
    """Also for a client of a JSON subprotocol, for which it would not count."""
    url = await client_url(emulator) + "&webpubsub_mode=sendToGroup" + query
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await clients.connect(url, protocols=[subprotocol] if subprotocol else [])
    assert caught.value.status == 400


# --- handshakes --------------------------------------------------------------------------


async def test_a_subprotocol_in_any_case(emulator: Emulator, clients: Clients) -> None:
    """The first one that the service knows is answered as the client spelled it."""
    url = await client_url(emulator)
    socket = await clients.connect(url, protocols=["other", JSON.upper(), RELIABLE])
    assert socket.protocol == JSON.upper()
    assert "reconnectionToken" not in await receive(socket)


async def test_the_token_in_the_query_wins(emulator: Emulator, clients: Clients) -> None:
    """A header counts only where the query has no token; its key may be in any case."""
    url = await client_url(emulator, user_id="ann")
    wrong = {"Authorization": "Bearer nonsense"}
    for spelling in ("access_token", "Access_Token"):
        at = url.replace("access_token", spelling)
        socket = await clients.connect(at, protocols=[JSON], headers=wrong)
        assert (await receive(socket))["userId"] == "ann"


async def test_nothing_is_compressed(emulator: Emulator, clients: Clients) -> None:
    """The service does not take up an offer to compress."""
    socket = await clients.connect(await client_url(emulator), protocols=[JSON], compress=15)
    assert socket.compress == 0


# --- frames ------------------------------------------------------------------------------


async def test_a_ping_is_answered(emulator: Emulator, clients: Clients) -> None:
    """WebSocket pings come back with their data."""
    socket = await clients.connect(await client_url(emulator), autoping=False)
    await socket.ping(b"data")
    message = await socket.receive(timeout=5)
    assert (message.type, message.data) == (WSMsgType.PONG, b"data")


async def test_fragments_are_joined(emulator: Emulator) -> None:
    """A message in several frames is one message, also with a ping between them."""
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
    """What breaks RFC 6455 ends the connection at once, a reliable one too, and no other."""
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
    """A client that broke the JSON protocol may still finish what it sends, and say goodbye."""
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
    """It is closed when too much waits for it; meanwhile everybody else gets all at once."""
    slow, slow_id = await raw_socket(emulator, subprotocol)
    fast = await clients.connect(await client_url(emulator), max_msg_size=0)
    data = "x" * 2**20
    async with service(emulator) as client:
        for _ in range(40):  # 16 MiB in the emulator, and what the system takes.
            await client.send_to_all(data, content_type="text/plain")
            assert await fast.receive_str(timeout=5) == data
        assert not await client.connection_exists(slow_id)
    await app.wait_for("connect", "connected", "connect", "connected", "disconnected")
    slow.abort()
