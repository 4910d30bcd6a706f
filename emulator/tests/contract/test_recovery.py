"""json.reliable.webpubsub.azure.v1 (the client specification, "Reliability")."""

import pytest

from contract.target import ANY_GROUP, JSON, RELIABLE_JSON, Client, Hub, eventually

REFUSED = (1008, "The connection could not be recovered.")


async def is_refused(hub: Hub, client: Client, token: str | None = None) -> bool:
    """Return whether a recovery is closed at once with the code that means to give up."""
    async with hub.recover(client, token) as again:
        return await again.receive_close() == REFUSED


@pytest.mark.specified
async def test_the_frame_connected_has_the_reconnection_token(hub: Hub) -> None:
    async with hub.connect(RELIABLE_JSON) as client:
        assert client.hello.keys() == {
            "type", "event", "userId", "connectionId", "reconnectionToken",
        }  # fmt: skip


@pytest.mark.specified
async def test_messages_are_numbered_from_1_for_each_connection(hub: Hub) -> None:
    """Acks and pongs have no number."""
    async with hub.connect(RELIABLE_JSON, group="g", role=ANY_GROUP) as client:
        for number in (1, 2):
            await hub.send("x")
            assert (await client.receive())["sequenceId"] == number
        assert await client.exchange(type="ping") == {"type": "pong"}
        await client.send(type="sendToGroup", group="g", data=1)
        assert (await client.receive())["sequenceId"] == 3
        ack = await client.exchange(type="joinGroup", group="g", ackId=1)
        assert ack == {"type": "ack", "ackId": 1, "success": True}


@pytest.mark.specified
async def test_unacknowledged_messages_are_sent_again_after_a_recovery(hub: Hub) -> None:
    """First these, unchanged; then the missed messages; then new ones."""
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


@pytest.mark.specified
@pytest.mark.parametrize(("acknowledged", "next_id"), [(1, 2), (2, 3), (100, 3)])
async def test_acknowledged_messages_are_not_sent_again(
    hub: Hub, acknowledged: int, next_id: int
) -> None:
    """An ack covers its message and all before it. A number beyond the last covers all."""
    async with hub.connect(RELIABLE_JSON) as client:
        for text in ("1", "2"):
            await hub.send(text)
            await client.receive()
        await client.send(type="sequenceAck", sequenceId=acknowledged)
        assert await client.exchange(type="ping") == {"type": "pong"}
        client.drop()
        async with hub.recover(client) as again:
            if next_id == 3:
                await hub.send("3")
            assert (await again.receive())["sequenceId"] == next_id


@pytest.mark.specified
async def test_a_connection_without_a_socket_exists_and_changes_groups(hub: Hub) -> None:
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


@pytest.mark.specified
async def test_calls_reach_a_connection_without_a_socket(hub: Hub) -> None:
    """Permissions and groups that it gets are kept after the recovery."""
    async with hub.connect(RELIABLE_JSON, user="ann") as client:
        client.drop()
        right = f"/permissions/joinLeaveGroup{client.path}?targetName=r"
        assert (await hub.call("PUT", right)).status == 200
        assert (await hub.call("HEAD", right)).status == 200
        assert (await hub.call("PUT", "/users/ann/groups/u")).status == 200
        body = '{"groups":["f"],"filter":"userId eq \'ann\'"}'
        assert (await hub.call("POST", "/:addToGroups", body)).status == 200
        for group in "uf":
            page = await hub.call("GET", f"/groups/{group}/connections")
            assert page.body["value"] == [{"connectionId": client.connection_id, "userId": "ann"}]
        async with hub.recover(client) as again:
            assert await again.ask(1, type="joinGroup", group="r") == "done"
            for group in "uf":
                await hub.send("x", f"/groups/{group}")
                assert (await again.receive())["group"] == group


@pytest.mark.specified
async def test_a_recovery_keeps_user_roles_permissions_and_ack_ids(hub: Hub) -> None:
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


@pytest.mark.specified
async def test_a_recovery_ignores_access_token_and_subprotocol(hub: Hub) -> None:
    async with hub.connect(RELIABLE_JSON) as client:
        client.drop()
        query = (
            f"awps_connection_id={client.connection_id}"
            f"&awps_reconnection_token={client.hello['reconnectionToken']}&access_token=expired"
        )
        async with hub.target.open(f"{hub.client_path}?{query}", [JSON]) as again:
            headers = again.websocket._response.headers
            assert headers["Sec-WebSocket-Protocol"] == RELIABLE_JSON
            assert await again.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
async def test_a_reconnection_token_can_be_used_again(hub: Hub) -> None:
    async with hub.connect(RELIABLE_JSON) as client:
        client.drop()
        async with hub.recover(client) as second:
            assert await second.exchange(type="ping") == {"type": "pong"}
            second.drop()
            async with hub.recover(client) as third:
                assert await third.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
async def test_a_recovery_replaces_an_open_socket(hub: Hub) -> None:
    async with hub.connect(RELIABLE_JSON) as old, hub.recover(old) as new:
        message = await old.websocket.receive(timeout=60)
        assert message.type.name in ("CLOSE", "CLOSED", "ERROR")
        await hub.send("x", old.path)
        assert (await new.receive())["data"] == "x"


@pytest.mark.specified
async def test_a_recovery_needs_the_same_hub_in_any_case(hub: Hub) -> None:
    async with hub.connect(RELIABLE_JSON) as client:
        client.drop()
        assert await is_refused(Hub(hub.target, f"{hub}other"), client)
        async with Hub(hub.target, hub.name.upper()).recover(client) as again:
            assert await again.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
@pytest.mark.parametrize("token", ["", "nonsense", "another"])
async def test_a_recovery_needs_the_token_of_its_connection(hub: Hub, token: str) -> None:
    """Without it the handshake succeeds, and the close code means to give up."""
    async with hub.connect(RELIABLE_JSON) as client, hub.connect(RELIABLE_JSON) as other:
        value = other.hello["reconnectionToken"] if token == "another" else token
        client.drop()
        assert await is_refused(hub, client, value)


@pytest.mark.specified
async def test_an_unreliable_or_unknown_connection_cannot_be_recovered(hub: Hub) -> None:
    async with hub.connect(RELIABLE_JSON) as reliable, hub.connect() as simple:
        token = reliable.hello["reconnectionToken"]
        assert await is_refused(hub, simple, token)
        reliable.hello["connectionId"] = "unknown"
        assert await is_refused(hub, reliable, token)


@pytest.mark.specified
async def test_a_token_without_a_connection_id_opens_a_new_connection(hub: Hub) -> None:
    async with hub.connect(RELIABLE_JSON, query="awps_reconnection_token=x") as client:
        assert client.hello["event"] == "connected"


@pytest.mark.specified
async def test_a_close_with_1001_can_be_recovered(hub: Hub) -> None:
    """The official client closes its socket with 1001."""
    async with hub.connect(RELIABLE_JSON) as client:
        await client.websocket.close(code=1001, message=b"away")
        async with hub.recover(client) as again:
            assert await again.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
async def test_a_close_with_1000_is_final(hub: Hub) -> None:
    async with hub.connect(RELIABLE_JSON) as client:
        await client.websocket.close(code=1000)
        await eventually(lambda: hub.has(client.path), expected=False)
        assert await is_refused(hub, client)


@pytest.mark.specified
async def test_a_protocol_error_is_final(hub: Hub) -> None:
    async with hub.connect(RELIABLE_JSON) as client:
        await client.websocket.send_str("nonsense")
        assert (await client.receive_close())[0] == 1007
        await eventually(lambda: hub.has(client.path), expected=False)
        assert await is_refused(hub, client)


@pytest.mark.specified
async def test_a_close_by_rest_is_final(hub: Hub) -> None:
    """It also ends a connection without a socket."""
    async with hub.connect(RELIABLE_JSON) as client:
        client.drop()
        assert (await hub.call("DELETE", client.path)).status == 204
        await eventually(lambda: hub.has(client.path), expected=False)
        assert await is_refused(hub, client)


@pytest.mark.specified
async def test_1000_messages_are_kept_for_a_client_that_never_acknowledges(hub: Hub) -> None:
    """One more closes the connection with 1008, and it cannot recover."""
    async with hub.connect(RELIABLE_JSON, group="g", role=ANY_GROUP) as client:
        for _ in range(1001):
            await client.send(type="sendToGroup", group="g", data=1)
        for number in range(1, 1001):
            assert (await client.receive())["sequenceId"] == number
        assert await client.receive_close() == (1008, "The reliable message buffer is full.")
        assert await is_refused(hub, client)
