"""Acks and ack ids (the client specification, "Acknowledgement")."""

import pytest

from contract.target import ANY_GROUP, Hub


@pytest.mark.specified
@pytest.mark.parametrize("kind", ["joinGroup", "leaveGroup", "sendToGroup"])
async def test_an_ack_reports_success(hub: Hub, kind: str) -> None:
    """It has the ack id and no error."""
    data = {"data": 1} if kind == "sendToGroup" else {}
    async with hub.connect(role=ANY_GROUP) as client:
        answer = await client.exchange(type=kind, group="g", ackId=7, **data)
        assert answer == {"type": "ack", "ackId": 7, "success": True}


@pytest.mark.specified
async def test_a_failure_without_an_ack_id_is_silent(hub: Hub) -> None:
    """The connection stays open and gets no frame."""
    async with hub.connect() as client:
        await client.send(type="joinGroup", group="g")
        assert await client.exchange(type="ping") == {"type": "pong"}
        assert not await hub.has("/groups/g")


@pytest.mark.specified
async def test_an_ack_id_of_null_is_none(hub: Hub) -> None:
    async with hub.connect(role=ANY_GROUP) as client:
        await client.send(type="joinGroup", group="g", ackId=None)
        assert await client.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
async def test_an_ack_id_that_was_acknowledged_is_a_duplicate(hub: Hub) -> None:
    """The type of the frame does not matter, and the duplicate has no effect."""
    async with hub.connect(group="g", role=ANY_GROUP) as client:
        assert await client.ask(1, type="joinGroup", group="h") == "done"
        answer = await client.exchange(type="sendToGroup", group="g", data=1, ackId=1)
        assert answer["success"] is False
        assert answer["error"] == {
            "name": "Duplicate",
            "message": "Message with ack-id: 1 has been processed",
        }
        assert await client.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
async def test_a_failed_ack_id_may_be_used_again(hub: Hub) -> None:
    """Duplicates are found before permissions are checked."""
    async with hub.connect() as client:
        right = f"/permissions/joinLeaveGroup{client.path}?targetName=g"
        assert await client.ask(1, type="joinGroup", group="g") == "Forbidden"
        await hub.call("PUT", right)
        assert await client.ask(1, type="joinGroup", group="g") == "done"
        await hub.call("DELETE", right)
        assert await client.ask(1, type="joinGroup", group="g") == "Duplicate"


@pytest.mark.specified
async def test_each_connection_has_its_own_ack_ids(hub: Hub) -> None:
    async with hub.connect(role=ANY_GROUP) as one, hub.connect(role=ANY_GROUP) as two:
        for client in (one, two):
            assert await client.ask(1, type="joinGroup", group="g") == "done"


@pytest.mark.specified
async def test_the_last_thousand_ack_ids_are_remembered(hub: Hub) -> None:
    """An older one is accepted again."""
    async with hub.connect(role=ANY_GROUP) as client:
        for number in range(1001):
            await client.send(type="joinGroup", group="g", ackId=number)
        for number in range(1001):
            assert (await client.receive())["ackId"] == number
        assert await client.ask(1, type="joinGroup", group="g") == "Duplicate"
        assert await client.ask(0, type="joinGroup", group="g") == "done"


@pytest.mark.specified
async def test_an_event_without_a_handler_fails(hub: Hub) -> None:
    """The client gets InternalServerError, stays connected, and may use the ack id again."""
    async with hub.connect() as client:
        for _ in range(2):
            answer = await client.exchange(type="event", event="e", data=1, ackId=1)
            assert answer["error"]["name"] == "InternalServerError"
        await client.send(type="event", event="e", data=1)
        assert await client.exchange(type="ping") == {"type": "pong"}
