"""Clients without a subprotocol (concept-client-protocols, "The simple WebSocket client")."""

import aiohttp
import pytest

from contract.target import ANY_GROUP, JSON, SECONDS, Hub

MODE = "webpubsub_mode=sendToGroup&group=g"


@pytest.mark.specified
async def test_the_mode_send_to_group_publishes_each_frame(hub: Hub) -> None:
    """The group is in the URL. Frames are text or bytes."""
    async with (
        hub.connect(group="g") as listener,
        hub.connect(None, query=MODE, user="ann", role=ANY_GROUP) as client,
    ):
        await client.websocket.send_str("text")
        frame = await listener.receive()
        assert (frame["group"], frame["fromUserId"]) == ("g", "ann")
        assert (frame["dataType"], frame["data"]) == ("text", "text")
        await client.websocket.send_bytes(b"\xff")
        frame = await listener.receive()
        assert (frame["dataType"], frame["data"]) == ("binary", "/w==")


@pytest.mark.specified
async def test_a_publisher_is_not_a_member(hub: Hub) -> None:
    async with hub.connect(None, query=MODE, role=ANY_GROUP) as client:
        assert not await hub.has("/groups/g")
        await hub.send("to the group", "/groups/g")
        await hub.send("to all")
        assert await client.receive_text() == "to all"


@pytest.mark.specified
async def test_a_member_receives_its_own_messages_unless_no_echo_is_set(hub: Hub) -> None:
    quiet_mode = f"{MODE}&noEcho=TRUE"
    async with (
        hub.connect(None, query=MODE, group="g", role=ANY_GROUP) as loud,
        hub.connect(None, query=quiet_mode, group="g", role=ANY_GROUP) as quiet,
    ):
        await quiet.websocket.send_str("quiet")
        assert await loud.receive_text() == "quiet"
        await loud.websocket.send_str("loud")
        assert await loud.receive_text() == "loud"
        assert await quiet.receive_text() == "loud"


@pytest.mark.specified
async def test_publishing_without_the_role_closes_with_1008(hub: Hub) -> None:
    """The handshake succeeds; the first frame closes the connection."""
    async with hub.connect(None, query=MODE) as client:
        await client.websocket.send_str("x")
        assert (await client.receive_close())[0] == 1008


@pytest.mark.specified
@pytest.mark.parametrize("query", ["webpubsub_mode=SENDTOGROUP&group=h&group=g&noecho=false"])
async def test_mode_and_booleans_are_case_insensitive(hub: Hub, query: str) -> None:
    """The last value of a repeated parameter counts."""
    async with (
        hub.connect(group="g") as listener,
        hub.connect(None, query=query, role=ANY_GROUP) as client,
    ):
        await client.websocket.send_str("x")
        assert (await listener.receive())["group"] == "g"


@pytest.mark.specified
@pytest.mark.parametrize("subprotocol", [None, JSON])
@pytest.mark.parametrize(
    "query",
    [
        "webpubsub_mode=other",
        "webpubsub_mode=sendToGroup",
        "webpubsub_mode=sendToGroup&group=",
        "webpubsub_mode=sendToGroup&group=%20",
        f"{MODE}&noEcho=1",
    ],
)
async def test_an_invalid_mode_is_400(hub: Hub, query: str, subprotocol: str | None) -> None:
    """Also for clients with a subprotocol, which do not use the mode."""
    protocols = [subprotocol] if subprotocol else []
    path = f"{hub.client_path}?{query}"
    assert await hub.target.refusal(path, protocols, hub.token()) == 400


@pytest.mark.recorded
@pytest.mark.parametrize("query", ["", "webpubsub_mode=", "webpubsub_mode=sendevent&group="])
async def test_an_event_without_a_handler_closes_the_connection(hub: Hub, query: str) -> None:
    """In the default mode each frame is an event.

    Microsoft's emulator closes with 1011; Azure was seen to close with 1000.
    """
    async with hub.connect(None, query=query) as client:
        await client.websocket.send_str("x")
        assert (await client.receive_close())[0] in (1000, 1011)


@pytest.mark.specified
async def test_simple_clients_receive_no_metadata(hub: Hub) -> None:
    """A message that has only metadata is an empty text."""
    async with (
        hub.connect(None, group="g") as simple,
        hub.connect(role=ANY_GROUP) as client,
    ):
        await client.send(type="sendToGroup", group="g", data={"a": 1}, metadata={"k": "v"})
        assert await simple.receive_text() in ('{"a": 1}', '{"a":1}')
        await client.send(type="sendToGroup", group="g", metadata={"k": "v"})
        assert await simple.receive_text() == ""
        await client.send(type="sendToGroup", group="g", dataType="binary", data="/w==")
        assert await simple.websocket.receive_bytes(timeout=SECONDS) == b"\xff"


@pytest.mark.specified
async def test_a_websocket_ping_is_answered_with_its_data(hub: Hub) -> None:
    async with hub.target.open(hub.client_path, [], hub.token(), autoping=False) as client:
        await client.websocket.ping(b"data")
        message = await client.websocket.receive(timeout=SECONDS)
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"data")
