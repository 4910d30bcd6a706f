"""Streams of clients to groups (client-spec, section 3.6; the JSON subprotocol's reference).

A service may answer several fragments with one `streamAck`, so these statements wait for a number
instead of a frame.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract.target import RELIABLE_JSON, Client, Hub

MAY_SEND = "webpubsub.sendToGroup.g"
ANSWERS = ("streamAck", "streamNack", "streamClosed")


class Sender:
    """A client that streams to group g. `received` are the messages that came in between."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.received: list[dict[str, Any]] = []

    async def answer(self) -> dict[str, Any]:
        """Return the next answer to a frame of a stream."""
        while (frame := await self.client.receive())["type"] not in ANSWERS:
            self.received.append(frame)
        return frame

    async def accepted(self, expected: int) -> None:
        """Wait until every fragment below this sequence id is acknowledged."""
        while (frame := await self.answer())["expectedSequenceId"] != expected:
            assert frame["type"] == "streamAck"
        assert frame["type"] == "streamAck"

    async def closed(self) -> str:
        """Wait until the stream is closed. Return the name of the error, or an empty text."""
        while (frame := await self.answer())["type"] != "streamClosed":
            pass
        return str(frame["error"]["name"]) if "error" in frame else ""

    async def begin(self, stream_id: str = "s", *, group: str = "g", **frame: Any) -> None:
        """Ask for a stream."""
        stream = {"streamId": stream_id} | frame.pop("stream", {})
        await self.client.send(type="sendToGroup", group=group, stream=stream, **frame)

    async def start(self, stream_id: str = "s", **frame: Any) -> None:
        """Open a stream."""
        await self.begin(stream_id, **frame)
        await self.accepted(1)

    async def send(self, number: int, stream_id: str = "s", **frame: Any) -> None:
        """Send a fragment; its data are its number unless `frame` says otherwise."""
        fragment = {"streamSequenceId": number, "dataType": "json", "data": number} | frame
        await self.client.send(type="streamData", streamId=stream_id, **fragment)

    async def end(self, stream_id: str = "s", **frame: Any) -> None:
        await self.client.send(type="streamEnd", streamId=stream_id, **frame)


@pytest.fixture
async def sender(hub: Hub) -> AsyncIterator[Sender]:
    """Provide a client that may send to group g and is not in it."""
    async with hub.connect(user="ann", role=MAY_SEND) as client:
        yield Sender(client)


@pytest.fixture
async def receiver(hub: Hub) -> AsyncIterator[Client]:
    """Provide a client in group g."""
    async with hub.connect(user="bob", group="g") as client:
        yield client


async def place(receiver: Client) -> dict[str, Any]:
    """Return the place of the next fragment in its stream."""
    stream: dict[str, Any] = (await receiver.receive())["stream"]
    return stream


@pytest.mark.specified
async def test_a_stream_that_starts_is_acknowledged_with_1(sender: Sender) -> None:
    await sender.begin()
    answer = await sender.answer()
    assert answer == {"type": "streamAck", "streamId": "s", "expectedSequenceId": 1}


@pytest.mark.specified
@pytest.mark.parametrize(
    ("data_type", "data"), [("json", {"a": [1]}), ("text", "é"), ("binary", "/w==")]
)
async def test_fragments_are_messages_of_the_group(
    sender: Sender, receiver: Client, data_type: str, data: object
) -> None:
    """With the place in the stream, and the sender's user as in every message of a client."""
    await sender.start()
    await sender.send(1, dataType=data_type, data=data)
    message = await receiver.receive()
    assert message.pop("stream") == {"streamId": "s", "streamSequenceId": 1}
    assert message == {
        "type": "message",
        "from": "group",
        "group": "g",
        "fromUserId": "ann",
        "dataType": data_type,
        "data": data,
    }


@pytest.mark.specified
async def test_fragments_are_acknowledged_with_the_next_sequence_id(
    sender: Sender, receiver: Client
) -> None:
    await sender.start()
    for number in (1, 2, 3):
        await sender.send(number)
    await sender.accepted(4)
    assert [(await place(receiver))["streamSequenceId"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.specified
async def test_an_earlier_fragment_is_acknowledged_and_not_sent_again(
    sender: Sender, receiver: Client
) -> None:
    await sender.start()
    await sender.send(1)
    await sender.accepted(2)
    await sender.send(1)
    await sender.accepted(2)
    await sender.send(2)
    assert [(await place(receiver))["streamSequenceId"] for _ in range(2)] == [1, 2]


@pytest.mark.specified
async def test_a_later_fragment_is_refused_with_the_expected_sequence_id(
    sender: Sender, receiver: Client
) -> None:
    """The stream goes on."""
    await sender.start()
    await sender.send(2)
    nack = await sender.answer()
    assert (nack["type"], nack["streamId"]) == ("streamNack", "s")
    assert (nack["name"], nack["expectedSequenceId"]) == ("InvalidSequenceId", 1)
    await sender.send(1)
    await sender.accepted(2)
    assert (await receiver.receive())["data"] == 1


@pytest.mark.specified
async def test_the_end_has_the_next_sequence_id(sender: Sender, receiver: Client) -> None:
    """The sender gets `streamClosed` without an error."""
    await sender.start()
    await sender.send(1)
    await sender.end()
    assert await sender.closed() == ""
    await receiver.receive()
    end = {"streamId": "s", "streamSequenceId": 2, "endOfStream": True}
    assert await place(receiver) == end


@pytest.mark.specified
async def test_an_error_of_the_sender_is_a_user_error_to_receivers(
    sender: Sender, receiver: Client
) -> None:
    """The sender's own `streamClosed` has no error."""
    await sender.start()
    await sender.end(error={"message": "oops", "userErrorCode": "E1"})
    assert await sender.closed() == ""
    error = (await place(receiver))["error"]
    assert error == {"name": "UserError", "message": "oops", "userErrorCode": "E1"}


@pytest.mark.specified
@pytest.mark.parametrize("no_echo", [False, True])
async def test_no_echo_counts_for_fragments_and_end(hub: Hub, no_echo: bool) -> None:
    async with hub.connect(group="g", role=MAY_SEND) as client:
        sender = Sender(client)
        await sender.start(noEcho=no_echo)
        await sender.send(1)
        await sender.end()
        await sender.closed()
        assert await client.ask(1, type="event", event="nobody", data=1) != "done"
        assert len(sender.received) == (0 if no_echo else 2)


@pytest.mark.specified
async def test_a_stream_needs_the_permission_to_send(sender: Sender) -> None:
    """As a message to the group does."""
    await sender.begin(group="other")
    assert await sender.closed() == "Forbidden"


@pytest.mark.inferred
async def test_a_revoked_permission_ends_the_stream(
    hub: Hub, sender: Sender, receiver: Client
) -> None:
    """At its next fragment. `Forbidden` is among the errors that the service gives receivers."""
    await sender.start()
    right = f"/permissions/sendToGroup{sender.client.path}?targetName=g"
    assert (await hub.call("DELETE", right)).status == 204
    await sender.send(1)
    assert await sender.closed() == "Forbidden"
    assert (await place(receiver))["error"]["name"] == "Forbidden"


@pytest.mark.specified
@pytest.mark.parametrize(
    "frame",
    [
        {"type": "streamData", "streamSequenceId": 1, "dataType": "json", "data": 1},
        {"type": "streamData"},
        {"type": "streamEnd"},
    ],
    ids=["fragment", "keepalive", "end"],
)
async def test_an_unknown_stream_is_closed(sender: Sender, frame: dict[str, Any]) -> None:
    await sender.client.send(streamId="unknown", **frame)
    assert await sender.closed() == "StreamNotFound"


@pytest.mark.specified
async def test_an_id_may_be_used_again_after_its_stream(sender: Sender, receiver: Client) -> None:
    for _ in range(2):
        await sender.start()
        await sender.send(1)
        await sender.end()
        assert await sender.closed() == ""
        assert [(await place(receiver))["streamSequenceId"] for _ in range(2)] == [1, 2]


@pytest.mark.specified
async def test_a_start_without_a_usable_timeout_is_refused(sender: Sender) -> None:
    """It must be greater than 0."""
    await sender.begin(stream={"idleTimeoutMs": 0})
    assert await sender.closed() != ""


@pytest.mark.inferred
@pytest.mark.parametrize(
    "frame",
    [
        {"stream": {"idleTimeoutMs": 0}},
        {"data": 1},
        {"dataType": "text"},
    ],
)
async def test_an_invalid_start_is_a_bad_request(sender: Sender, frame: dict[str, Any]) -> None:
    """A start must not have data. `BadRequest` is among the errors of `streamClosed`."""
    await sender.begin(**frame)
    assert await sender.closed() == "BadRequest"


@pytest.mark.inferred
async def test_a_second_start_leaves_the_open_stream_alone(sender: Sender) -> None:
    """The specification only says that it is rejected."""
    await sender.start()
    await sender.begin()
    assert await sender.closed() == "BadRequest"
    await sender.send(1)
    await sender.accepted(2)


@pytest.mark.specified
async def test_an_idle_stream_ends(sender: Sender, receiver: Client) -> None:
    """With the same error for sender and receivers."""
    await sender.start(stream={"idleTimeoutMs": 100})
    assert await sender.closed() == "IdleTimeout"
    end = await place(receiver)
    assert (end["endOfStream"], end["error"]["name"]) == (True, "IdleTimeout")


@pytest.mark.specified
async def test_a_keepalive_reaches_no_receiver(sender: Sender, receiver: Client) -> None:
    """And has no answer."""
    await sender.start()
    await sender.client.send(type="streamData", streamId="s")
    await sender.send(1)
    await sender.accepted(2)
    assert (await place(receiver))["streamSequenceId"] == 1


@pytest.mark.specified
async def test_streams_of_a_connection_are_independent(sender: Sender, receiver: Client) -> None:
    await sender.start("s")
    await sender.start("t")
    await sender.send(1, "t")
    await sender.send(1, "s")
    places = [await place(receiver) for _ in range(2)]
    assert [(one["streamId"], one["streamSequenceId"]) for one in places] == [("t", 1), ("s", 1)]


@pytest.mark.specified
async def test_a_stream_belongs_to_its_connection(hub: Hub, sender: Sender) -> None:
    await sender.start()
    async with hub.connect(role=MAY_SEND) as client:
        other = Sender(client)
        await other.send(1)
        assert await other.closed() == "StreamNotFound"
    await sender.send(1)
    await sender.accepted(2)


@pytest.mark.inferred
async def test_the_end_of_the_sender_ends_its_stream(
    hub: Hub, sender: Sender, receiver: Client
) -> None:
    """`Cancelled` is among the errors that the service gives receivers."""
    await sender.start()
    await sender.client.websocket.close(code=1000)
    assert (await place(receiver))["error"]["name"] == "Cancelled"


@pytest.mark.inferred
async def test_a_simple_client_receives_bare_fragments(hub: Hub, sender: Sender) -> None:
    """The message at the end is empty."""
    async with hub.connect(None, group="g") as client:
        await sender.start()
        await sender.send(1, dataType="text", data="x")
        await sender.end()
        assert [await client.receive_text() for _ in range(2)] == ["x", ""]


@pytest.mark.specified
async def test_fragments_have_the_sequence_id_of_a_reliable_receiver(
    hub: Hub, sender: Sender
) -> None:
    """Besides their own; other messages count too."""
    async with hub.connect(RELIABLE_JSON, group="g") as client:
        await sender.start()
        await hub.send("x")
        await client.receive()
        await sender.send(1)
        message = await client.receive()
        assert (message["sequenceId"], message["stream"]["streamSequenceId"]) == (2, 1)


@pytest.mark.specified
async def test_a_stream_survives_the_recovery_of_its_sender(hub: Hub, receiver: Client) -> None:
    """Fragments that were accepted are not sent again."""
    async with hub.connect(RELIABLE_JSON, role=MAY_SEND) as client:
        sender = Sender(client)
        await sender.start()
        await sender.send(1)
        await sender.accepted(2)
        client.drop()
        async with hub.recover(client) as again:
            sender.client = again
            for number in (1, 2):
                await sender.send(number)
            await sender.accepted(3)
        assert [(await receiver.receive())["data"] for _ in range(2)] == [1, 2]


@pytest.mark.inferred
async def test_a_client_with_streams_is_greeted_again_after_a_recovery(hub: Hub) -> None:
    """The specification allows it (1.2), and the official client continues streams only then."""
    async with hub.connect(RELIABLE_JSON, role=MAY_SEND) as client:
        await Sender(client).start()
        client.drop()
        async with hub.recover(client) as again:
            greeting = await again.receive()
            assert (greeting["event"], greeting["connectionId"]) == (
                "connected",
                client.connection_id,
            )
            assert greeting["reconnectionToken"]


@pytest.mark.specified
@pytest.mark.parametrize(
    "frame",
    [
        {"type": "sendToGroup", "group": "g", "stream": {}},
        {"type": "sendToGroup", "group": "g", "stream": {"streamId": ""}},
        {"type": "streamData", "streamId": ""},
        {"type": "streamData", "streamId": "s", "data": 1},
        {"type": "streamData", "streamId": "s", "streamSequenceId": 1, "data": 1},
        {"type": "streamData", "streamId": "s", "streamSequenceId": 0, "dataType": "json",
         "data": 1},
        {"type": "streamEnd"},
        {"type": "streamEnd", "streamId": "s", "error": {"message": 1}},
    ],
)  # fmt: skip
async def test_a_malformed_frame_of_a_stream_closes_with_1007(
    sender: Sender, frame: dict[str, Any]
) -> None:
    """The service declines a client whose message does not match the described format."""
    await sender.client.send(**frame)
    assert (await sender.client.receive_close())[0] == 1007
