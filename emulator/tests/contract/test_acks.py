"""Acks and ack ids (the client specification, "Acknowledgement")."""

import pytest

from contract.target import ANY_GROUP, Hub


@pytest.mark.parametrize("kind", ["joinGroup", "leaveGroup", "sendToGroup"])
async def test_success(hub: Hub, kind: str) -> None:
    """An ack says which frame, and has no error."""
    data = {"data": 1} if kind == "sendToGroup" else {}
    async with hub.connect(role=ANY_GROUP) as client:
        answer = await client.say(type=kind, group="g", ackId=7, **data)
        assert answer == {"type": "ack", "ackId": 7, "success": True}


async def test_a_failure_without_an_ack_id_is_silent(hub: Hub) -> None:
    """The connection stays, and hears nothing."""
    async with hub.connect() as client:
        await client.send(type="joinGroup", group="g")
        assert await client.say(type="ping") == {"type": "pong"}
        assert not await hub.has("/groups/g")


async def test_no_ack_id(hub: Hub) -> None:
    """Null is as if there were none."""
    async with hub.connect(role=ANY_GROUP) as client:
        await client.send(type="joinGroup", group="g", ackId=None)
        assert await client.say(type="ping") == {"type": "pong"}


async def test_the_same_again(hub: Hub) -> None:
    """An ack id that succeeded is a duplicate, whatever it is for, and nothing is done again."""
    async with hub.connect(group="g", role=ANY_GROUP) as client:
        assert await client.ask(1, type="joinGroup", group="h") == "done"
        answer = await client.say(type="sendToGroup", group="g", data=1, ackId=1)
        assert answer["success"] is False
        assert answer["error"] == {
            "name": "Duplicate",
            "message": "Message with ack-id: 1 has been processed",
        }
        assert await client.say(type="ping") == {"type": "pong"}


async def test_a_failure_may_be_tried_again(hub: Hub) -> None:
    """With the same ack id; a duplicate is found before the right is looked at."""
    async with hub.connect() as client:
        right = f"/permissions/joinLeaveGroup{client.path}?targetName=g"
        assert await client.ask(1, type="joinGroup", group="g") == "Forbidden"
        await hub.call("PUT", right)
        assert await client.ask(1, type="joinGroup", group="g") == "done"
        await hub.call("DELETE", right)
        assert await client.ask(1, type="joinGroup", group="g") == "Duplicate"


async def test_connections_count_apart(hub: Hub) -> None:
    """Each has ack ids of its own."""
    async with hub.connect(role=ANY_GROUP) as one, hub.connect(role=ANY_GROUP) as two:
        for client in (one, two):
            assert await client.ask(1, type="joinGroup", group="g") == "done"


async def test_the_last_thousand_are_known(hub: Hub) -> None:
    """An older one is taken again."""
    async with hub.connect(role=ANY_GROUP) as client:
        for number in range(1001):
            await client.send(type="joinGroup", group="g", ackId=number)
        for number in range(1001):
            assert (await client.receive())["ackId"] == number
        assert await client.ask(1, type="joinGroup", group="g") == "Duplicate"
        assert await client.ask(0, type="joinGroup", group="g") == "done"


async def test_an_event_that_nobody_takes(hub: Hub) -> None:
    """Its client is told, stays, and may try again."""
    async with hub.connect() as client:
        for _ in range(2):
            answer = await client.say(type="event", event="e", data=1, ackId=1)
            assert answer["error"]["name"] == "InternalServerError"
        await client.send(type="event", event="e", data=1)
        assert await client.say(type="ping") == {"type": "pong"}
