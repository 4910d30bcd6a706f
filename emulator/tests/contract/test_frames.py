"""Frames of json.webpubsub.azure.v1 (reference-json-webpubsub-subprotocol)."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract.target import ANY_GROUP, RELIABLE_JSON, Client, Hub

MALFORMED = "The client message is not a valid JSON protocol message."


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[Client]:
    """A client in group g that may do everything."""
    async with hub.connect(user="ann", group="g", role=ANY_GROUP) as opened:
        yield opened


async def publish(client: Client, **frame: Any) -> dict[str, Any]:
    """The message that comes back to its sender."""
    return await client.say(type="sendToGroup", group="g", **frame)


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
async def test_data(client: Client, frame: dict[str, Any], data_type: str, data: Any) -> None:
    """What a member publishes comes to the group as what it is, with its sender's user."""
    expected = {"type": "message", "from": "group", "group": "g", "fromUserId": "ann"}
    assert await publish(client, **frame) == expected | {"dataType": data_type, "data": data}


async def test_protobuf_in_json(client: Client) -> None:
    """A serialized Any passes as base64; Microsoft's emulator closes on it."""
    frame = await publish(client, dataType="protobuf", data="CgE=")
    assert (frame["dataType"], frame["data"]) == ("protobuf", "CgE=")


async def test_an_anonymous_sender(hub: Hub) -> None:
    """It has no user."""
    async with hub.connect(group="g", role=ANY_GROUP) as client:
        assert (await publish(client, data=1)).get("fromUserId") is None


async def test_no_echo(hub: Hub, client: Client) -> None:
    """Everybody but the sender hears it."""
    async with hub.connect(group="g") as other:
        await client.send(type="sendToGroup", group="g", data=1, noEcho=True)
        assert (await other.receive())["data"] == 1
        assert await client.say(type="ping") == {"type": "pong"}


async def test_joining_and_leaving(hub: Hub, client: Client) -> None:
    """They count from their acks on; without an ack id they are silent."""
    assert await client.ask(1, type="joinGroup", group="h") == "done"
    assert await hub.has("/groups/h")
    assert await client.ask(2, type="leaveGroup", group="h") == "done"
    assert not await hub.has("/groups/h")
    await client.send(type="joinGroup", group="i")
    assert await client.say(type="ping") == {"type": "pong"}
    assert await hub.has("/groups/i")


async def test_in_vain(client: Client) -> None:
    """Joining twice, leaving without being in, and publishing to nobody succeed."""
    assert await client.ask(1, type="joinGroup", group="g") == "done"
    assert await client.ask(2, type="leaveGroup", group="never") == "done"
    assert await client.ask(3, type="sendToGroup", group="never", data=1) == "done"


@pytest.mark.parametrize("kind", ["ping", "PING"])
async def test_ping(client: Client, kind: str) -> None:
    """It is answered with a pong; types may be in any case."""
    assert await client.say(type=kind) == {"type": "pong"}


async def test_a_sequence_ack_without_sequence(client: Client) -> None:
    """A client that is not reliable may send it, and nothing happens."""
    await client.send(type="sequenceAck", sequenceId=1)
    assert await client.say(type="ping") == {"type": "pong"}


async def test_keys_that_nobody_knows(client: Client) -> None:
    """They are passed over."""
    assert await client.say(type="ping", more={"a": 1}) == {"type": "pong"}


async def test_metadata(client: Client) -> None:
    """They come with the message, as written; a message may have nothing else."""
    frame = await publish(client, data=1, metadata={"Key": "v", "b": ""})
    assert frame["metadata"] == {"Key": "v", "b": ""}
    frame = await publish(client, data=1, metadata={"k": "1", "K": "2"})
    assert frame["metadata"] == {"k": "1", "K": "2"}
    frame = await publish(client, metadata={"k": "v"})
    assert (frame["dataType"], frame["data"], frame["metadata"]) == ("text", "", {"k": "v"})


@pytest.mark.parametrize("seconds", [0, 300, None])
async def test_time_to_live(client: Client, seconds: int | None) -> None:
    """Up to 300 s."""
    assert (await publish(client, data=1, ttlSeconds=seconds))["data"] == 1


def sending(**frame: Any) -> str:
    """A frame to group g as a text."""
    return json.dumps({"type": "sendToGroup", "group": "g"} | frame)


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
async def test_frames_that_close(hub: Hub, client: Client, text: str) -> None:
    """What breaks the protocol ends the connection with 1007, and no other connection."""
    async with hub.connect() as other:
        await client.websocket.send_str(text)
        assert await client.receive_close() == (1007, MALFORMED)
        assert await other.say(type="ping") == {"type": "pong"}


@pytest.mark.parametrize("ack_id", [0, 18446744073709551615])
async def test_ack_ids(client: Client, ack_id: int) -> None:
    """Any unsigned number of 64 bits."""
    assert await client.ask(ack_id, type="joinGroup", group="g") == "done"


@pytest.mark.parametrize("name", ["E_.-9", pytest.param("e" * 128, id="128 characters")])
async def test_names_of_events(client: Client, name: str) -> None:
    """A letter, then letters, digits and a few signs; here nobody takes the event."""
    answer = await client.say(type="event", event=name, data=1, ackId=1)
    assert answer["error"]["name"] == "InternalServerError"


async def test_bytes_close(client: Client) -> None:
    """A binary frame is no frame of this protocol: 1003 by Microsoft's emulator.

    An older page of the documentation allows UTF-8 in binary frames.
    """
    await client.websocket.send_bytes(b'{"type":"ping"}')
    assert await client.receive_close() == (1003, "The JSON subprotocol requires text messages.")


@pytest.mark.parametrize("subprotocol", [None, RELIABLE_JSON])
async def test_frames_over_1_mib_close(hub: Hub, subprotocol: str | None) -> None:
    """With 1009."""
    async with hub.connect(subprotocol) as client:
        await client.websocket.send_str("x" * (2**20 + 1))
        assert (await client.receive_close())[0] == 1009


async def test_the_largest_frame(client: Client) -> None:
    """1 MiB goes through."""
    frame = sending(dataType="text", data="")
    text = frame.replace('"data": ""', f'"data": "{"x" * (2**20 - len(frame))}"')
    assert len(text) == 2**20
    await client.websocket.send_str(text)
    assert len((await client.receive())["data"]) == 2**20 - len(frame)
