"""Frames of json.webpubsub.azure.v1 (reference-json-webpubsub-subprotocol)."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract.target import ANY_GROUP, RELIABLE_JSON, Client, Hub

MALFORMED = "The client message is not a valid JSON protocol message."


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[Client]:
    """Provide a client in group g that has every permission."""
    async with hub.connect(user="ann", group="g", role=ANY_GROUP) as opened:
        yield opened


async def publish(client: Client, **frame: Any) -> dict[str, Any]:
    """Publish to group g and return the message that comes back to the sender."""
    return await client.exchange(type="sendToGroup", group="g", **frame)


@pytest.mark.specified
@pytest.mark.parametrize(
    ("frame", "data_type", "data"),
    [
        ({"dataType": "text", "data": "é"}, "text", "é"),
        ({"dataType": "json", "data": {"a": [1, None]}}, "json", {"a": [1, None]}),
        ({"data": "x"}, "json", "x"),
        ({"data": False}, "json", False),
        ({"data": 0}, "json", 0),
        ({"dataType": "binary", "data": "/wA="}, "binary", "/wA="),
        ({"dataType": "TEXT", "data": ""}, "text", ""),
    ],
)
async def test_published_data_keep_their_type(
    client: Client, frame: dict[str, Any], data_type: str, data: Any
) -> None:
    """The message names the sender's user."""
    expected = {"type": "message", "from": "group", "group": "g", "fromUserId": "ann"}
    assert await publish(client, **frame) == expected | {"dataType": data_type, "data": data}


@pytest.mark.specified
async def test_protobuf_data_pass_as_base64(client: Client) -> None:
    """Microsoft's emulator closes the connection instead."""
    frame = await publish(client, dataType="protobuf", data="CgE=")
    assert (frame["dataType"], frame["data"]) == ("protobuf", "CgE=")


@pytest.mark.specified
@pytest.mark.parametrize("user", ["bob", "", None])
async def test_a_client_cannot_choose_the_user_of_its_message(
    client: Client, user: str | None
) -> None:
    """The service sets `fromUserId`, so a client with a user cannot send as the server does."""
    assert (await publish(client, data=1, fromUserId=user))["fromUserId"] == "ann"


@pytest.mark.specified
async def test_a_message_of_an_anonymous_client_has_no_user(hub: Hub) -> None:
    async with hub.connect(group="g", role=ANY_GROUP) as client:
        assert (await publish(client, data=1)).get("fromUserId") is None


@pytest.mark.specified
async def test_a_message_of_an_anonymous_client_looks_like_one_of_the_server(hub: Hub) -> None:
    """Both have no `fromUserId` (null or absent), so receivers cannot distinguish them."""
    async with hub.connect(group="g", role=ANY_GROUP) as client:
        own = await publish(client, dataType="text", data="x")
        await hub.send("x", "/groups/g")
        assert await client.receive() == own


@pytest.mark.specified
async def test_no_echo_excludes_the_sender(hub: Hub, client: Client) -> None:
    async with hub.connect(group="g") as other:
        await client.send(type="sendToGroup", group="g", data=1, noEcho=True)
        assert (await other.receive())["data"] == 1
        assert await client.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
async def test_joins_and_leaves_take_effect_with_their_acks(hub: Hub, client: Client) -> None:
    """Without an ack id they get no frame."""
    assert await client.ask(1, type="joinGroup", group="h") == "done"
    assert await hub.has("/groups/h")
    assert await client.ask(2, type="leaveGroup", group="h") == "done"
    assert not await hub.has("/groups/h")
    await client.send(type="joinGroup", group="i")
    assert await client.exchange(type="ping") == {"type": "pong"}
    assert await hub.has("/groups/i")


@pytest.mark.specified
async def test_frames_that_change_nothing_succeed(client: Client) -> None:
    """Joining twice, leaving without being a member, publishing to an empty group."""
    assert await client.ask(1, type="joinGroup", group="g") == "done"
    assert await client.ask(2, type="leaveGroup", group="never") == "done"
    assert await client.ask(3, type="sendToGroup", group="never", data=1) == "done"


@pytest.mark.specified
@pytest.mark.parametrize("kind", ["ping", "PING"])
async def test_a_ping_is_answered_with_a_pong(client: Client, kind: str) -> None:
    """Frame types are case-insensitive."""
    assert await client.exchange(type=kind) == {"type": "pong"}


@pytest.mark.specified
async def test_a_sequence_ack_without_reliability_is_ignored(client: Client) -> None:
    await client.send(type="sequenceAck", sequenceId=1)
    assert await client.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
async def test_unknown_keys_are_ignored(client: Client) -> None:
    assert await client.exchange(type="ping", more={"a": 1}) == {"type": "pong"}


@pytest.mark.specified
async def test_published_metadata_come_with_the_message(client: Client) -> None:
    """Keys keep their case. A message may have metadata and no data."""
    frame = await publish(client, data=1, metadata={"Key": "v", "b": ""})
    assert frame["metadata"] == {"Key": "v", "b": ""}
    frame = await publish(client, data=1, metadata={"k": "1", "K": "2"})
    assert frame["metadata"] == {"k": "1", "K": "2"}
    frame = await publish(client, metadata={"k": "v"})
    assert (frame["dataType"], frame["data"], frame["metadata"]) == ("text", "", {"k": "v"})


@pytest.mark.specified
@pytest.mark.parametrize("seconds", [0, 300, None])
async def test_the_time_to_live_may_be_up_to_300_seconds(
    client: Client, seconds: int | None
) -> None:
    assert (await publish(client, data=1, ttlSeconds=seconds))["data"] == 1


def sending(**frame: Any) -> str:
    """Return a frame to group g as text."""
    return json.dumps({"type": "sendToGroup", "group": "g"} | frame)


@pytest.mark.specified
@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"type":1}',
        '{"type":"unknown"}',
        '{"type":"ping"}x',
        '{"type":"joinGroup"}',
        '{"type":"joinGroup","group":""}',
        '{"type":"joinGroup","group":" "}',
        '{"type":"joinGroup","group":1}',
        '{"type":"joinGroup","Group":"g"}',
        pytest.param('{"type":"joinGroup","group":"' + "x" * 1025 + '"}', id="long group"),
        '{"type":"leaveGroup"}',
        '{"type":"leaveGroup","group":"g","ackId":"1"}',
        '{"type":"leaveGroup","group":"g","ackId":-1}',
        '{"type":"leaveGroup","group":"g","ackId":18446744073709551616}',
        sending(),
        sending(data=None),
        sending(data=1, dataType="text"),
        sending(data="%", dataType="binary"),
        sending(data=1, dataType="other"),
        sending(data=1, noEcho="true"),
        sending(data=1, ttlSeconds=301),
        sending(data=1, ttlSeconds=-1),
        sending(data=1, metadata={"é": "v"}),
        sending(data=1, metadata={"k": 1}),
        sending(data=1, metadata={"k": "é"}),
        pytest.param(sending(data=1, metadata={"k": "v" * 1025}), id="long metadata"),
        '{"type":"sendToGroup","group":"g","data":1,"metadata":{"k":"1","k":"2"}}',
        '{"type":"event","data":1}',
        '{"type":"event","event":"","data":1}',
        '{"type":"event","event":"1e","data":1}',
        '{"type":"event","event":"a b","data":1}',
        pytest.param('{"type":"event","event":"' + "e" * 129 + '","data":1}', id="long event"),
        '{"type":"event","event":"e"}',
        '{"type":"sequenceAck"}',
        '{"type":"sequenceAck","sequenceId":"1"}',
    ],
)
async def test_an_invalid_frame_closes_its_connection_with_1007(
    hub: Hub, client: Client, text: str
) -> None:
    """Other connections stay open."""
    async with hub.connect() as other:
        await client.websocket.send_str(text)
        assert await client.receive_close() == (1007, MALFORMED)
        assert await other.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
@pytest.mark.parametrize("ack_id", [0, 18446744073709551615])
async def test_an_ack_id_is_an_unsigned_64_bit_number(client: Client, ack_id: int) -> None:
    assert await client.ask(ack_id, type="joinGroup", group="g") == "done"


@pytest.mark.specified
@pytest.mark.parametrize("name", ["E_.-9", pytest.param("e" * 128, id="128 characters")])
async def test_event_names_may_have_128_characters(client: Client, name: str) -> None:
    """A letter, then letters, digits and a few signs. These events have no handler."""
    answer = await client.exchange(type="event", event=name, data=1, ackId=1)
    assert answer["error"]["name"] == "InternalServerError"


@pytest.mark.specified
async def test_a_binary_frame_closes_with_1003(client: Client) -> None:
    """As in Microsoft's emulator. An older page of the documentation allows binary UTF-8."""
    await client.websocket.send_bytes(b'{"type":"ping"}')
    assert await client.receive_close() == (1003, "The JSON subprotocol requires text messages.")


@pytest.mark.specified
@pytest.mark.parametrize("subprotocol", [None, RELIABLE_JSON])
async def test_a_frame_over_1_mib_closes_with_1009(hub: Hub, subprotocol: str | None) -> None:
    async with hub.connect(subprotocol) as client:
        await client.websocket.send_str("x" * (2**20 + 1))
        assert (await client.receive_close())[0] == 1009


@pytest.mark.specified
async def test_a_frame_may_have_1_mib(client: Client) -> None:
    frame = sending(dataType="text", data="")
    text = frame.replace('"data": ""', f'"data": "{"x" * (2**20 - len(frame))}"')
    assert len(text) == 2**20
    await client.websocket.send_str(text)
    assert len((await client.receive())["data"]) == 2**20 - len(frame)
