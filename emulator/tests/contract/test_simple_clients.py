"""Clients without a subprotocol (concept-client-protocols, "The simple WebSocket client")."""

import aiohttp
import pytest

from contract.target import ANY_GROUP, JSON, SECONDS, Hub

MODE = "webpubsub_mode=sendToGroup&group=g"


async def test_publishing(hub: Hub) -> None:
    """In the mode sendToGroup each frame goes to the group of the URL, as text or bytes."""
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


async def test_publishing_is_no_membership(hub: Hub) -> None:
    """Who publishes to a group is not in it."""
    async with hub.connect(None, query=MODE, role=ANY_GROUP) as client:
        assert not await hub.has("/groups/g")
        await hub.send("to the group", "/groups/g")
        await hub.send("to all")
        assert await client.receive_text() == "to all"


async def test_an_echo_is_for_members(hub: Hub) -> None:
    """A client hears itself if it is in its group and did not ask for noEcho."""
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


async def test_publishing_needs_the_role(hub: Hub) -> None:
    """Without it the client comes in, and its first frame closes it with 1008."""
    async with hub.connect(None, query=MODE) as client:
        await client.websocket.send_str("x")
        assert (await client.receive_close())[0] == 1008


@pytest.mark.parametrize("query", ["webpubsub_mode=SENDTOGROUP&group=h&group=g&noecho=false"])
async def test_values_in_any_case(hub: Hub, query: str) -> None:
    """The mode and the booleans may be; of a key that comes twice the last one counts."""
    async with (
        hub.connect(group="g") as listener,
        hub.connect(None, query=query, role=ANY_GROUP) as client,
    ):
        await client.websocket.send_str("x")
        assert (await listener.receive())["group"] == "g"


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
async def test_bad_modes(hub: Hub, query: str, subprotocol: str | None) -> None:
    """They are 400, for a client of a subprotocol, too, for which they would not count."""
    protocols = [subprotocol] if subprotocol else []
    path = f"{hub.client_path}?{query}"
    assert await hub.target.refusal(path, protocols, hub.token()) == 400


@pytest.mark.parametrize("query", ["", "webpubsub_mode=", "webpubsub_mode=sendevent&group="])
async def test_an_event_that_nobody_takes(hub: Hub, query: str) -> None:
    """In the other mode each frame is an event; where nobody takes it, its client is closed.

    With 1011 by Microsoft's emulator; a code of 1000 was seen at the service.
    """
    async with hub.connect(None, query=query) as client:
        await client.websocket.send_str("x")
        assert (await client.receive_close())[0] in (1000, 1011)


async def test_metadata_are_not_for_simple_clients(hub: Hub) -> None:
    """They get the data alone, and an empty text for a message that is only metadata."""
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


async def test_a_ping_is_answered(hub: Hub) -> None:
    """A WebSocket ping comes back with its data."""
    async with hub.target.open(hub.client_path, [], hub.token(), autoping=False) as client:
        await client.websocket.ping(b"data")
        message = await client.websocket.receive(timeout=SECONDS)
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"data")
