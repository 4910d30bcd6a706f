"""Tests of fixture.py and of what an Emulator shows, with the fixture itself."""

import base64
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from unit.clients import Clients
from unit.samples import JSON, RELIABLE
from webpubsub_emulator import (
    ACCESS_KEY,
    ClientConnection,
    Emulator,
    EmulatorFixture,
    EventRecord,
    FaultError,
    SentMessage,
    sign_data_plane_token,
)
from webpubsub_emulator.tokens import Client, sign_client_token

ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")


@pytest.fixture
async def client(webpubsub: EmulatorFixture, clients: Clients) -> aiohttp.ClientWebSocketResponse:
    """Return ann's JSON client in the group "lobby"."""
    return await connect(webpubsub, clients, "ann", JSON)


async def connect(
    webpubsub: EmulatorFixture, clients: Clients, user_id: str | None, subprotocol: str
) -> aiohttp.ClientWebSocketResponse:
    url = f"{webpubsub.endpoint}/client/hubs/chat"
    token = sign_client_token(ACCESS_KEY, url, Client(user_id, ROLES, ("lobby",), {}), 60)
    headers = {"Authorization": f"Bearer {token}"}
    socket = await clients.connect(url, [subprotocol], headers=headers)
    await socket.receive_json()
    return socket


async def send(
    webpubsub: EmulatorFixture, clients: Clients, path: str, body: str | bytes, kind: str
) -> int:
    """Call a REST operation that sends, and return the status."""
    headers = {
        "Authorization": f"Bearer {sign_data_plane_token(ACCESS_KEY)}",
        "Content-Type": kind,
    }
    url = f"{webpubsub.endpoint}/api/hubs/chat{path}"
    async with clients.session.post(url, data=body, headers=headers) as response:
        return response.status


async def test_connections(
    webpubsub: EmulatorFixture, client: aiohttp.ClientWebSocketResponse
) -> None:
    """A connection is a copy, and a hub's name is in any case."""
    (connection,) = webpubsub.connections("CHAT")
    assert connection == ClientConnection(
        connection.id, "ann", JSON, frozenset({"lobby"}), is_open=True
    )
    assert str(connection) == f"ann ({connection.id}), groups: lobby"
    await client.send_json({"type": "leaveGroup", "group": "lobby", "ackId": 1})
    await client.receive_json()
    assert connection.groups == {"lobby"}
    assert webpubsub.connections("chat")[0].groups == frozenset()
    assert webpubsub.connections("other") == []


@pytest.mark.parametrize(
    ("path", "body", "kind", "data", "group"),
    [
        ("/:send", "hello", "text/plain", "hello", None),
        ("/groups/lobby/:send", '{"a": [1]}', "application/json", {"a": [1]}, "lobby"),
        ("/users/ann/:send", b"\xff", "application/octet-stream", b"\xff", None),
    ],
)
async def test_messages_of_the_app(
    webpubsub: EmulatorFixture,
    client: aiohttp.ClientWebSocketResponse,
    clients: Clients,
    path: str,
    body: str | bytes,
    kind: str,
    data: Any,
    group: str | None,
) -> None:
    """Data of each type, and who received it."""
    assert await send(webpubsub, clients, path, body, kind) == 202
    (message,) = webpubsub.messages("chat")
    assert (message.data, message.group, message.from_user_id) == (data, group, None)
    assert message.user_ids == ("ann",)
    assert message.connection_ids == (webpubsub.connections("chat")[0].id,)
    received = (await client.receive_json())["data"]
    assert received == (base64.b64encode(data).decode() if isinstance(data, bytes) else data)


async def test_messages_of_clients(
    webpubsub: EmulatorFixture, client: aiohttp.ClientWebSocketResponse
) -> None:
    """In the order of sending; without an echo the sender is no receiver."""
    for number, options in enumerate([{}, {"noEcho": True}]):
        await client.send_json(
            {"type": "sendToGroup", "group": "lobby", "data": number, "ackId": number} | options
        )
    await webpubsub.wait_for_async(lambda: len(webpubsub.messages("chat")) == 2)
    first, second = webpubsub.messages("chat")
    assert (first.data, first.from_user_id, first.user_ids) == (0, "ann", ("ann",))
    assert (second.data, second.user_ids) == (1, ())
    assert [str(first), str(second)] == [
        "0 from 'ann' in group 'lobby' to ann",
        "1 from 'ann' in group 'lobby' to nobody",
    ]


def test_a_long_message_is_shortened() -> None:
    """A line of evidence stays a line."""
    message = SentMessage("x" * 200, "text", None, None, ("c1",), (None,))
    assert str(message) == f"'{'x' * 78}… from the app to c1"


async def test_drop_and_restart(webpubsub: EmulatorFixture, clients: Clients) -> None:
    """A dropped reliable client waits for its recovery; a restart forgets it."""
    socket = await connect(webpubsub, clients, None, RELIABLE)
    (connection,) = webpubsub.connections("chat")
    webpubsub.drop(connection.id)
    assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    await webpubsub.wait_for_async(lambda: not webpubsub.connections("chat")[0].is_open)
    assert str(webpubsub.connections("chat")[0]).endswith("lobby, waiting for recovery")
    with pytest.raises(LookupError, match=f"No connection '{connection.id}' has a socket"):
        webpubsub.drop(connection.id)
    webpubsub.restart()
    assert webpubsub.connections("chat") == []


async def test_faults_end_with_their_block(webpubsub: EmulatorFixture, clients: Clients) -> None:
    """Also with an error; the faults outside of the block come back."""

    async def status() -> int:
        return await send(webpubsub, clients, "/:send", "x", "text/plain")

    with webpubsub.faults("rest-error:status=599"):
        with suppress(ZeroDivisionError), webpubsub.faults("rest-throttled"):
            assert await status() == 429
            raise ZeroDivisionError
        assert await status() == 599
    assert await status() == 202


def test_an_unknown_fault_changes_nothing(webpubsub: EmulatorFixture) -> None:
    """The error comes from the call, before the block."""
    with pytest.raises(FaultError, match="there is no such fault"), webpubsub.faults("no"):
        pytest.fail("the block ran")


def test_waiting(webpubsub: EmulatorFixture) -> None:
    """It returns what the predicate found, which must not be a coroutine."""
    attempts = iter(["", "", "found"])
    assert webpubsub.wait_for(lambda: next(attempts)) == "found"

    async def predicate() -> bool:
        return True

    with pytest.raises(TypeError, match="must be a plain function"):
        _ = webpubsub.wait_for(predicate)


@pytest.mark.parametrize(
    ("name", "status", "failure", "is_failure"),
    [
        ("connect", 204, "", False),
        ("connect", 401, "", False),
        ("connect", 500, "", True),
        ("connected", 404, "", True),
        ("ping", None, "timeout", True),
        ("ping", None, "fault event-lost", False),
    ],
)
def test_which_deliveries_are_failures(
    name: str, status: int | None, failure: str, is_failure: bool
) -> None:
    """Refused clients and injected faults are meant."""
    record = EventRecord("", "chat", "c1", name, "1", status, failure, 1)
    assert record.is_failure == is_failure


async def test_messages_need_a_record() -> None:
    """And everything needs a running emulator."""
    emulator = Emulator()
    with pytest.raises(RuntimeError, match="async with"):
        emulator.connections("chat")
    async with emulator:
        with pytest.raises(RuntimeError, match="record=True"):
            emulator.messages("chat")
        assert (emulator.hubs(), emulator.events()) == (["chat"], [])


async def test_a_hub_is_configured(webpubsub: EmulatorFixture, clients: Clients) -> None:
    webpubsub.configure_hub("chat", anonymous_connect_policy="allow")
    socket = await clients.connect(f"{webpubsub.endpoint}/client/hubs/chat", [JSON])
    assert (await socket.receive_json())["userId"] is None
    with pytest.raises(ValueError, match="1 to 120 seconds"):
        webpubsub.configure_hub("chat", keep_alive_seconds=0)
