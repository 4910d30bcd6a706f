"""protobuf.webpubsub.azure.v1 and its reliable form (their reference pages; webpubsub.v1.proto).

Messages are written with the numbers of their fields (wire.py).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from contract.target import (
    ANY_GROUP,
    JSON,
    PROTOBUF,
    RELIABLE_PROTOBUF,
    SECONDS,
    Client,
    Hub,
)
from contract.wire import encode, find
from unit.app import App

# Messages of clients, by the number of their field.
SEND, EVENT, JOIN, LEAVE, SEQUENCE_ACK, PING, INVOKE, STREAM_DATA = 1, 5, 6, 7, 8, 9, 10, 13
SET_STATE, SUBSCRIBE = 15, 16
# Paths to fields of the service's messages.
ACK, ACK_ID, ACK_SUCCESS, ACK_ERROR = (1,), (1, 1), (1, 2), (1, 3, 1)
FROM, GROUP, TEXT, BINARY, ANY, JSON_TEXT = (
    (2, 1),
    (2, 2),
    (2, 3, 1),
    (2, 3, 2),
    (2, 3, 3),
    (2, 3, 4),
)
SEQUENCE_ID, METADATA = (2, 4), (2, 5)
CONNECTION_ID, USER_ID, TOKEN, REASON = (3, 1, 1), (3, 1, 2), (3, 1, 3), (3, 2, 2)
PONG, INVOKE_ID, INVOKE_SUCCESS, INVOKE_TEXT = (4,), (5, 1), (5, 2), (5, 3, 1)
STREAM_EXPECTED, STREAM_PLACE = (6, 2), (2, 6, 2)
SNAPSHOT_GROUP, UPDATE_USER_ID, UPDATE_ENTRY = (10, 1), (9, 2, 2), (9, 2, 3, 1)
# The message of the documentation: google.protobuf.Any of a message with `value = 1`.
MY_MESSAGE = {1: "type.googleapis.com/azure.webpubsub.TestMessage", 2: b"\x08\x01"}
MY_BASE64 = "Ci90eXBlLmdvb2dsZWFwaXMuY29tL2F6dXJlLndlYnB1YnN1Yi5UZXN0TWVzc2FnZRICCAE="


class ProtobufClient:
    """A WebSocket client whose frames are protobuf messages."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.hello = b""

    async def send(self, kind: int, fields: dict[int, Any]) -> None:
        await self.client.websocket.send_bytes(encode({kind: fields}))

    async def receive(self) -> bytes:
        return await self.client.websocket.receive_bytes(timeout=SECONDS)

    async def ask(self, kind: int, fields: dict[int, Any]) -> bytes:
        """Send a message and return the next ack."""
        await self.send(kind, fields)
        while find(frame := await self.receive(), *ACK) is None:
            pass
        return frame


@asynccontextmanager
async def connect(
    hub: Hub, subprotocol: str = PROTOBUF, **claims: Any
) -> AsyncIterator[ProtobufClient]:
    """Open a client and read its first frame."""
    token = hub.token(**claims)
    async with hub.target.open(hub.client_path, [subprotocol], token) as client:
        opened = ProtobufClient(client)
        opened.hello = await opened.receive()
        yield opened


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[ProtobufClient]:
    """Provide a client that is in group g and may do everything."""
    async with connect(hub, user="ann", group="g", role=ANY_GROUP) as opened:
        yield opened


@pytest.mark.specified
async def test_the_first_frame_has_the_connection_id_and_the_user_id(hub: Hub) -> None:
    async with connect(hub, user="ann") as client:
        connection_id = find(client.hello, *CONNECTION_ID).decode()
        assert await hub.has(f"/connections/{connection_id}")
        assert find(client.hello, *USER_ID) == b"ann"
        assert find(client.hello, *TOKEN) is None


@pytest.mark.inferred
async def test_a_client_without_a_user_has_an_empty_user_id(hub: Hub) -> None:
    """Microsoft's emulator leaves the field out, which is how proto3 writes an empty text."""
    async with connect(hub) as client:
        assert find(client.hello, *USER_ID) in (None, b"")


@pytest.mark.specified
async def test_joining_and_leaving_are_acknowledged(hub: Hub) -> None:
    async with connect(hub, role=ANY_GROUP) as client:
        ack = await client.ask(JOIN, {1: "g", 2: 2**64 - 1})
        assert (find(ack, *ACK_ID), find(ack, *ACK_SUCCESS)) == (2**64 - 1, 1)
        assert await hub.has("/groups/g")
        assert find(await client.ask(LEAVE, {1: "g", 2: 1}), *ACK_SUCCESS) == 1
        assert not await hub.has("/groups/g")


@pytest.mark.specified
async def test_a_forbidden_request_has_an_error(hub: Hub) -> None:
    async with connect(hub) as client:
        ack = await client.ask(JOIN, {1: "g", 2: 3})
        assert find(ack, *ACK_SUCCESS) in (None, 0)
        assert find(ack, *ACK_ERROR) == b"Forbidden"


@pytest.mark.specified
async def test_text_reaches_each_kind_of_client(hub: Hub, client: ProtobufClient) -> None:
    async with hub.connect(JSON, group="g") as other, hub.connect(None, group="g") as simple:
        await client.send(SEND, {1: "g", 3: {1: "é"}})
        frame = await client.receive()
        assert (find(frame, *FROM), find(frame, *GROUP)) == (b"group", b"g")
        assert find(frame, *TEXT) == "é".encode()
        received = await other.receive()
        assert (received["dataType"], received["data"]) == ("text", "é")
        assert await simple.receive_text() == "é"


@pytest.mark.specified
async def test_bytes_reach_each_kind_of_client(hub: Hub, client: ProtobufClient) -> None:
    async with hub.connect(JSON, group="g") as other, hub.connect(None, group="g") as simple:
        await client.send(SEND, {1: "g", 3: {2: b"\1\2\3"}})
        assert find(await client.receive(), *BINARY) == b"\1\2\3"
        received = await other.receive()
        assert (received["dataType"], received["data"]) == ("binary", "AQID")
        assert await simple.websocket.receive_bytes(timeout=SECONDS) == b"\1\2\3"


@pytest.mark.specified
async def test_protobuf_data_reach_each_kind_of_client(hub: Hub, client: ProtobufClient) -> None:
    """Others get the bytes of the whole google.protobuf.Any."""
    async with hub.connect(JSON, group="g") as other, hub.connect(None, group="g") as simple:
        await client.send(SEND, {1: "g", 3: {3: MY_MESSAGE}})
        assert find(await client.receive(), *ANY) == encode(MY_MESSAGE)
        received = await other.receive()
        assert (received["dataType"], received["data"]) == ("protobuf", MY_BASE64)
        assert await simple.websocket.receive_bytes(timeout=SECONDS) == encode(MY_MESSAGE)


@pytest.mark.specified
async def test_protobuf_data_of_a_json_client(hub: Hub, client: ProtobufClient) -> None:
    async with hub.connect(JSON, role=ANY_GROUP) as other:
        await other.send(type="sendToGroup", group="g", dataType="protobuf", data=MY_BASE64)
        assert find(await client.receive(), *ANY) == encode(MY_MESSAGE)


@pytest.mark.specified
async def test_json_data_have_a_field_of_their_own(hub: Hub, client: ProtobufClient) -> None:
    """So say the schema and the official clients; the reference page says a text."""
    async with hub.connect(JSON, role=ANY_GROUP, group="g") as other:
        await other.send(type="sendToGroup", group="g", data={"a": 1}, noEcho=True)
        assert find(await client.receive(), *JSON_TEXT) == b'{"a": 1}'
        await client.send(SEND, {1: "g", 3: {4: '{"b": 2}'}, 4: 1})
        received = await other.receive()
        assert (received["dataType"], received["data"]) == ("json", {"b": 2})


@pytest.mark.specified
async def test_the_sender_gets_no_echo_if_it_asks_for_none(client: ProtobufClient) -> None:
    await client.send(SEND, {1: "g", 3: {1: "x"}, 4: 1, 2: 1})
    assert find(await client.receive(), *ACK_ID) == 1


@pytest.mark.specified
async def test_a_message_of_the_app(hub: Hub, client: ProtobufClient) -> None:
    await hub.call("POST", "/:send", "x", Content_Type="text/plain", X_WebPubSub_Metadata_k="v")
    frame = await client.receive()
    assert (find(frame, *FROM), find(frame, *GROUP)) == (b"server", None)
    assert find(frame, *TEXT) == b"x"
    assert (find(frame, *METADATA, 1), find(frame, *METADATA, 2)) == (b"k", b"v")


@pytest.mark.specified
async def test_a_ping_has_a_pong(client: ProtobufClient) -> None:
    await client.send(PING, {})
    assert find(await client.receive(), *PONG) == b""


@pytest.mark.specified
async def test_a_client_that_the_app_closes_is_told_why(hub: Hub, client: ProtobufClient) -> None:
    await hub.call("POST", "/users/ann/:closeConnections?reason=late")
    reason = find(await client.receive(), *REASON).decode()
    assert reason == "Application server closed the connection. Reason: late"
    assert await client.client.receive_close() == (1000, "")


@pytest.mark.parametrize(
    ("data", "content_type", "body"),
    [
        ({1: "x"}, "text/plain", b"x"),
        ({2: b"\xff"}, "application/octet-stream", b"\xff"),
        ({3: MY_MESSAGE}, "application/x-protobuf", encode(MY_MESSAGE)),
        ({4: "[1]"}, "application/json", b"[1]"),
    ],
)
@pytest.mark.specified
async def test_an_event_has_the_type_of_its_data(
    handled: Hub, app: App, data: dict[int, Any], content_type: str, body: bytes
) -> None:
    async with connect(handled) as client:
        ack = await client.ask(EVENT, {1: "e", 2: data, 3: 1})
    assert find(ack, *ACK_SUCCESS) == 1
    received = app.last("e")
    assert received.headers["content-type"].partition(";")[0] == content_type
    assert received.body == body
    assert received.headers["ce-subprotocol"] == PROTOBUF


@pytest.mark.parametrize("frame", [b"", b"\xff", encode({JOIN: {}}), encode({SEND: {1: "g"}})])
@pytest.mark.inferred
async def test_a_malformed_frame_closes_the_connection(
    client: ProtobufClient, frame: bytes
) -> None:
    await client.client.websocket.send_bytes(frame)
    code, _ = await client.client.receive_close()
    assert code == 1007


@pytest.mark.inferred
async def test_a_text_frame_closes_the_connection(client: ProtobufClient) -> None:
    await client.client.websocket.send_str("{}")
    code, _ = await client.client.receive_close()
    assert code == 1003


@pytest.mark.specified
async def test_an_invocation_has_a_response(handled: Hub, app: App) -> None:
    app.scripts["e"] = [aiohttp.web.Response(text="answer")]
    async with connect(handled) as client:
        await client.send(INVOKE, {1: "e", 2: "i", 3: {1: "x"}})
        response = await client.receive()
    assert (find(response, *INVOKE_ID), find(response, *INVOKE_SUCCESS)) == (b"i", 1)
    assert find(response, *INVOKE_TEXT) == b"answer"


@pytest.mark.specified
async def test_a_stream_has_numbered_fragments(client: ProtobufClient) -> None:
    await client.send(SEND, {1: "g", 7: {1: "s"}})
    assert find(await client.receive(), *STREAM_EXPECTED) == 1
    await client.send(STREAM_DATA, {1: "s", 2: 1, 3: {1: "x"}})
    fragment = await client.receive()
    assert (find(fragment, *TEXT), find(fragment, *STREAM_PLACE)) == (b"x", 1)


@pytest.mark.specified
async def test_a_group_state_reaches_subscribers(hub: Hub) -> None:
    role = ["webpubsub.setGroupState", "webpubsub.getGroupState"]
    async with connect(hub, user="ann", group="g", role=role) as client:
        await client.ask(SUBSCRIBE, {1: "g", 2: 1})
        assert find(await client.receive(), *SNAPSHOT_GROUP) == b"g"
        await client.send(SET_STATE, {1: "g", 3: {1: {1: "mood", 2: "fine"}}})
        update = await client.receive()
        assert find(update, *UPDATE_USER_ID) == b"ann"
        assert find(update, *UPDATE_ENTRY, 1) == b"mood"
        assert find(update, *UPDATE_ENTRY, 2) == b"fine"


@pytest.mark.specified
async def test_a_reliable_client_recovers(hub: Hub) -> None:
    """Unacknowledged messages come again with their sequence ids, and then the missed ones."""
    async with connect(hub, RELIABLE_PROTOBUF) as client:
        for text in ("1", "2"):
            await hub.send(text)
            await client.receive()
        await client.send(SEQUENCE_ACK, {1: 1})
        await client.send(PING, {})
        await client.receive()
        client.client.drop()
        await hub.send("3")
        query = {
            "awps_connection_id": find(client.hello, *CONNECTION_ID).decode(),
            "awps_reconnection_token": find(client.hello, *TOKEN).decode(),
        }
        path = f"{hub.client_path}?{urlencode(query)}"
        async with hub.target.open(path, [RELIABLE_PROTOBUF]) as again:
            frames = [await again.websocket.receive_bytes(timeout=SECONDS) for _ in range(2)]
    assert [find(frame, *SEQUENCE_ID) for frame in frames] == [2, 3]
    assert [find(frame, *TEXT) for frame in frames] == [b"2", b"3"]
