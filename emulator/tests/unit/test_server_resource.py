"""What a resource and its hubs are configured to: anonymous clients, units, pings, packages."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError, web

from unit.app import App
from unit.clients import Clients
from unit.protobuf_frames import PROTOBUF, RELIABLE_PROTOBUF, read_bytes, upstream
from unit.raw_socket import FIN, RawSocket
from unit.samples import JSON
from unit.test_server import client_url, service
from webpubsub_emulator import subprotocols
from webpubsub_emulator.server import Emulator

PING, PONG = 0x9, 0xA


async def refusal(clients: Clients, url: str, *protocols: str) -> int:
    with pytest.raises(WSServerHandshakeError) as caught:
        await clients.connect(url, protocols)
    return caught.value.status


async def test_a_hub_may_accept_clients_without_a_token(
    emulator: Emulator, clients: Clients
) -> None:
    """A bad token is refused nevertheless, and other hubs accept no such client."""
    emulator.configure_hub("Chat", anonymous_connect_policy="allow")
    url = f"{emulator.endpoint}/client/hubs/chat"
    socket = await clients.connect(url, [JSON])
    assert (await socket.receive_json())["userId"] is None
    assert await refusal(clients, f"{url}?access_token=x", JSON) == 401
    assert await refusal(clients, f"{emulator.endpoint}/client/hubs/other", JSON) == 401


async def test_the_app_is_asked_about_anonymous_clients(
    emulator: Emulator, clients: Clients, app: App
) -> None:
    emulator.configure_hub("chat", anonymous_connect_policy="allow")
    app.scripts["connect"] = [web.json_response({"userId": "from the app"})]
    socket = await clients.connect(f"{emulator.endpoint}/client/hubs/chat", [JSON])
    assert (await socket.receive_json())["userId"] == "from the app"


@pytest.mark.parametrize(
    ("hub", "options"),
    [
        ("a-b", {}),
        ("chat", {"anonymous_connect_policy": "maybe"}),
        ("chat", {"keep_alive_seconds": 0}),
    ],
)
async def test_settings_that_cannot_be(
    emulator: Emulator, hub: str, options: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"hub name|allow or deny|1 to 120"):
        emulator.configure_hub(hub, **options)  # type: ignore[arg-type]


async def until_empty(emulator: Emulator) -> None:
    """Wait until the hub has no connection."""
    while emulator.connections("chat"):  # noqa: ASYNC110 - the emulator has no event for it
        await asyncio.sleep(0.01)


@pytest.fixture
async def small() -> AsyncIterator[Emulator]:
    """Yield an emulator for two clients."""
    async with Emulator(connection_limit=2) as running:
        yield running


async def test_a_full_resource_refuses_clients_of_every_hub(
    small: Emulator, clients: Clients
) -> None:
    """The token is checked first, and a client that leaves makes room."""
    url = await client_url(small)
    first = await clients.connect(url, [JSON])
    async with service(small, "other") as other:
        await clients.connect((await other.get_client_access_token())["url"], [JSON])
    assert await refusal(clients, url, JSON) == 429
    assert await refusal(clients, f"{small.endpoint}/client/hubs/chat", JSON) == 401
    await first.close()
    await until_empty(small)
    await clients.connect(url, [JSON])


async def test_pings_of_the_service(emulator: Emulator) -> None:
    """A client that answers stays, and one that does not is dropped.

    The test decides when an interval is over, so a busy machine has time to answer.
    """
    socket = await RawSocket.connect(await client_url(emulator), JSON)
    await socket.read()
    for _ in range(2):
        end_interval(emulator)
        assert await socket.read() == (PING, b"")
        socket.send(FIN | PONG, b"")
        socket.send(FIN | PING, b"read")
        assert await socket.read() == (PONG, b"read")
    end_interval(emulator)
    assert await socket.read() == (PING, b"")
    end_interval(emulator)
    with pytest.raises(EOFError):
        await socket.read()
    socket.abort()


def end_interval(emulator: Emulator) -> None:
    """Do what follows the interval between two pings."""
    emulator._running._keep_alive._ping_all("chat")


async def test_an_interval_of_a_hub_is_used(emulator: Emulator) -> None:
    emulator.configure_hub("chat", keep_alive_seconds=1)
    socket = await RawSocket.connect(await client_url(emulator), JSON)
    await socket.read()
    assert await socket.read() == (PING, b"")
    socket.abort()


async def test_pings_of_a_client(emulator: Emulator) -> None:
    socket = await RawSocket.connect(await client_url(emulator), JSON)
    await socket.read()
    socket.send(FIN | PING, b"are you there")
    assert await socket.read() == (PONG, b"are you there")
    socket.abort()


@pytest.mark.parametrize("name", [PROTOBUF, RELIABLE_PROTOBUF.upper()])
async def test_a_protobuf_client(emulator: Emulator, clients: Clients, name: str) -> None:
    socket = await clients.connect(await client_url(emulator), [name])
    assert socket.protocol == name
    assert read_bytes(await socket.receive_bytes()).connected_message.connection_id
    await socket.send_bytes(upstream("ping"))
    assert await socket.receive_bytes() == b"\x22\x00"
    await socket.send_str("text")
    message = await socket.receive()
    assert (message.type, message.data) == (WSMsgType.CLOSE, 1003)


async def test_without_the_package_protobuf_clients_are_refused_and_told_why(
    emulator: Emulator,
    clients: Clients,
    app: App,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Browsers hide the text of a refusal, so the log has it too."""
    monkeypatch.setattr(subprotocols, "_has_protobuf", lambda: False)
    caplog.set_level(logging.INFO, "emulator")
    url = await client_url(emulator)
    assert await refusal(clients, url, PROTOBUF) == 501
    assert "pip install 'webpubsub-emulator[protobuf]'" in caplog.text
    caplog.clear()
    app.scripts["connect"] = [web.json_response({"subprotocol": RELIABLE_PROTOBUF})]
    assert await refusal(clients, url, JSON, RELIABLE_PROTOBUF) == 501
    assert "pip install 'webpubsub-emulator[protobuf]'" in caplog.text
    await clients.connect(url, [JSON, PROTOBUF])
