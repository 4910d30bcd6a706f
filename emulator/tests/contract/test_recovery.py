"""json.reliable.webpubsub.azure.v1 (the client specification, "Reliability")."""

import pytest

from contract.target import ANY_GROUP, JSON, RELIABLE_JSON, Client, Hub, eventually

REFUSED = (1008, "The connection could not be recovered.")


async def is_refused(hub: Hub, client: Client, token: str | None = None) -> bool:
    """Whether a recovery opens and is closed at once, with the code that means to give up."""
    async with hub.recover(client, token) as again:
        return await again.receive_close() == REFUSED


async def test_the_first_frame(hub: Hub) -> None:
    """It also has the token that a recovery needs."""
    async with hub.connect(RELIABLE_JSON) as client:
        assert client.hello.keys() == {
            "type", "event", "userId", "connectionId", "reconnectionToken",
        }  # fmt: skip


async def test_messages_are_numbered(hub: Hub) -> None:
    """From 1 on, per connection; acks and pongs have no number."""
    async with hub.connect(RELIABLE_JSON, group="g", role=ANY_GROUP) as client:
        for number in (1, 2):
            await hub.send("x")
            assert (await client.receive())["sequenceId"] == number
        assert await client.say(type="ping") == {"type": "pong"}
        await client.send(type="sendToGroup", group="g", data=1)
        assert (await client.receive())["sequenceId"] == 3
        ack = await client.say(type="joinGroup", group="g", ackId=1)
        assert ack == {"type": "ack", "ackId": 1, "success": True}


async def test_messages_come_again(hub: Hub) -> None:
    """What was not acknowledged comes first, as it was; then what was missed; then what is new."""
    async with hub.connect(RELIABLE_JSON, user="ann") as client:
        await hub.send("1")
        first = await client.receive_text()
        client.drop()
        await hub.send("2", "/users/ann")
        async with hub.recover(client) as again:
            assert await again.receive_text() == first
            missed = await again.receive()
            assert (missed["sequenceId"], missed["data"]) == (2, "2")
            await hub.send("3")
            assert (await again.receive())["sequenceId"] == 3


@pytest.mark.parametrize(("acknowledged", "next_one"), [(1, 2), (2, 3), (100, 3)])
async def test_acknowledged_messages_do_not_come_again(
    hub: Hub, acknowledged: int, next_one: int
) -> None:
    """A sequence id releases its message and all before it; one beyond the last, everything."""
    async with hub.connect(RELIABLE_JSON) as client:
        for text in ("1", "2"):
            await hub.send(text)
            await client.receive()
        await client.send(type="sequenceAck", sequenceId=acknowledged)
        assert await client.say(type="ping") == {"type": "pong"}
        client.drop()
        async with hub.recover(client) as again:
            if next_one == 3:
                await hub.send("3")
            assert (await again.receive())["sequenceId"] == next_one


async def test_a_connection_without_a_socket_is_there(hub: Hub) -> None:
    """It exists for every call, and can be moved between groups."""
    async with hub.connect(RELIABLE_JSON, user="ann", group="g") as client:
        client.drop()
        assert await hub.has(client.path)
        assert await hub.has("/users/ann")
        assert (await hub.call("DELETE", f"/groups/g{client.path}")).status == 204
        assert (await hub.call("PUT", f"/groups/h{client.path}")).status == 200
        await hub.send("not for it", "/groups/g")
        async with hub.recover(client) as again:
            await hub.send("for it", "/groups/h")
            assert (await again.receive())["group"] == "h"


async def test_calls_on_a_connection_without_a_socket(hub: Hub) -> None:
    """It gets rights, joins with its user or by a filter, and is listed; all that stays."""
    async with hub.connect(RELIABLE_JSON, user="ann") as client:
        client.drop()
        right = f"/permissions/joinLeaveGroup{client.path}?targetName=r"
        assert (await hub.call("PUT", right)).status == 200
        assert (await hub.call("HEAD", right)).status == 200
        assert (await hub.call("PUT", "/users/ann/groups/u")).status == 200
        wish = '{"groups":["f"],"filter":"userId eq \'ann\'"}'
        assert (await hub.call("POST", "/:addToGroups", wish)).status == 200
        for group in "uf":
            page = await hub.call("GET", f"/groups/{group}/connections")
            assert page.body["value"] == [{"connectionId": client.connection_id, "userId": "ann"}]
        async with hub.recover(client) as again:
            assert await again.ask(1, type="joinGroup", group="r") == "done"
            for group in "uf":
                await hub.send("x", f"/groups/{group}")
                assert (await again.receive())["group"] == group


async def test_what_survives(hub: Hub) -> None:
    """User, roles, rights and ack ids."""
    async with hub.connect(RELIABLE_JSON, user="ann", role="webpubsub.sendToGroup.g") as client:
        assert await client.ask(1, type="sendToGroup", group="g", data=1) == "done"
        await hub.call("PUT", f"/permissions/joinLeaveGroup{client.path}?targetName=g")
        client.drop()
        async with hub.recover(client) as again:
            assert await again.ask(1, type="sendToGroup", group="g", data=1) == "Duplicate"
            assert await again.ask(2, type="joinGroup", group="g") == "done"
            await again.send(type="sendToGroup", group="g", data=2, ackId=3)
            frames = [await again.receive() for _ in range(2)]
            assert "ann" in [frame.get("fromUserId") for frame in frames]


async def test_what_does_not_count(hub: Hub) -> None:
    """An access token beside the id, valid or not, and the subprotocol that is offered."""
    async with hub.connect(RELIABLE_JSON) as client:
        client.drop()
        query = (
            f"awps_connection_id={client.connection_id}"
            f"&awps_reconnection_token={client.hello['reconnectionToken']}&access_token=expired"
        )
        async with hub.target.open(f"{hub.client_path}?{query}", [JSON]) as again:
            headers = again.websocket._response.headers
            assert headers["Sec-WebSocket-Protocol"] == RELIABLE_JSON
            assert await again.say(type="ping") == {"type": "pong"}


async def test_a_token_serves_again(hub: Hub) -> None:
    """A client may lose its socket twice."""
    async with hub.connect(RELIABLE_JSON) as client:
        client.drop()
        async with hub.recover(client) as second:
            assert await second.say(type="ping") == {"type": "pong"}
            second.drop()
            async with hub.recover(client) as third:
                assert await third.say(type="ping") == {"type": "pong"}


async def test_a_new_socket_replaces_the_old_one(hub: Hub) -> None:
    """The connection goes on with the new one, and the old one ends."""
    async with hub.connect(RELIABLE_JSON) as old, hub.recover(old) as new:
        message = await old.websocket.receive(timeout=10)
        assert message.type.name in ("CLOSE", "CLOSED", "ERROR")
        await hub.send("x", old.path)
        assert (await new.receive())["data"] == "x"


async def test_hubs_in_any_case(hub: Hub) -> None:
    """The hub of a recovery is the same in upper case, and another hub knows nothing of it."""
    async with hub.connect(RELIABLE_JSON) as client:
        client.drop()
        assert await is_refused(Hub(hub.target, f"{hub}other"), client)
        async with Hub(hub.target, hub.name.upper()).recover(client) as again:
            assert await again.say(type="ping") == {"type": "pong"}


@pytest.mark.parametrize("token", ["", "nonsense", "another"])
async def test_recovery_needs_the_token(hub: Hub, token: str) -> None:
    """Without the token of its own connection a client is let in, and told to give up."""
    async with hub.connect(RELIABLE_JSON) as client, hub.connect(RELIABLE_JSON) as other:
        given = other.hello["reconnectionToken"] if token == "another" else token
        client.drop()
        assert await is_refused(hub, client, given)


async def test_what_cannot_be_recovered(hub: Hub) -> None:
    """A connection that is not reliable, and one that never was."""
    async with hub.connect(RELIABLE_JSON) as reliable, hub.connect() as simple:
        token = reliable.hello["reconnectionToken"]
        assert await is_refused(hub, simple, token)
        reliable.hello["connectionId"] = "nobody"
        assert await is_refused(hub, reliable, token)


async def test_a_stray_token_is_a_new_connection(hub: Hub) -> None:
    """Only the connection id asks for a recovery."""
    async with hub.connect(RELIABLE_JSON, query="awps_reconnection_token=x") as client:
        assert client.hello["event"] == "connected"


async def test_any_other_close_can_be_recovered(hub: Hub) -> None:
    """Such as 1001, by which the official client drops its socket."""
    async with hub.connect(RELIABLE_JSON) as client:
        await client.websocket.close(code=1001, message=b"away")
        async with hub.recover(client) as again:
            assert await again.say(type="ping") == {"type": "pong"}


async def test_a_goodbye_is_final(hub: Hub) -> None:
    """A client that closes with 1000 is gone."""
    async with hub.connect(RELIABLE_JSON) as client:
        await client.websocket.close(code=1000)
        await eventually(lambda: hub.has(client.path), expected=False)
        assert await is_refused(hub, client)


async def test_a_violation_is_final(hub: Hub) -> None:
    """So is a client that broke the protocol."""
    async with hub.connect(RELIABLE_JSON) as client:
        await client.websocket.send_str("nonsense")
        assert (await client.receive_close())[0] == 1007
        await eventually(lambda: hub.has(client.path), expected=False)
        assert await is_refused(hub, client)


async def test_a_close_by_rest_is_final(hub: Hub) -> None:
    """Of a connection that has no socket, too."""
    async with hub.connect(RELIABLE_JSON) as client:
        client.drop()
        assert (await hub.call("DELETE", client.path)).status == 204
        await eventually(lambda: hub.has(client.path), expected=False)
        assert await is_refused(hub, client)


async def test_a_client_that_acknowledges_nothing(hub: Hub) -> None:
    """1,000 messages are kept for it; one more closes it with 1008, and it cannot recover."""
    async with hub.connect(RELIABLE_JSON, group="g", role=ANY_GROUP) as client:
        for _ in range(1001):
            await client.send(type="sendToGroup", group="g", data=1)
        for number in range(1, 1001):
            assert (await client.receive())["sequenceId"] == number
        assert await client.receive_close() == (1008, "The reliable message buffer is full.")
        assert await is_refused(hub, client)
