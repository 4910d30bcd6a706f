"""Group states: what the members of a group publish about themselves, for subscribers.

The frames are in npm's web-pubsub-client 1.1.0 (models/messages.ts) and in webpubsub.v1.proto, the
roles in the chat SDKs. Little else is published, so the rest is inferred.
"""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract.target import RELIABLE_JSON, Client, Hub

MAY_SET = "webpubsub.setGroupState"
MAY_GET = "webpubsub.getGroupState"
MAY_JOIN = "webpubsub.joinLeaveGroup"


@pytest.fixture
async def member(hub: Hub) -> AsyncIterator[Client]:
    """Provide a client in group g that may set its state."""
    async with hub.connect(user="ann", group="g", role=[MAY_SET, MAY_JOIN]) as client:
        yield client


@pytest.fixture
async def watcher(hub: Hub) -> AsyncIterator[Client]:
    """Provide a client that may subscribe to states."""
    async with hub.connect(user="bob", role=MAY_GET) as client:
        yield client


async def set_state(client: Client, state: dict[str, str] | None, ack_id: int = 1) -> str:
    """Set or clear the client's state in group g, and return the outcome."""
    members = {} if state is None else {"state": state}
    return await client.ask(ack_id, type="setGroupState", group="g", **members)


async def subscribe(client: Client, ack_id: int = 1) -> dict[str, Any]:
    """Subscribe to the states in group g, and return the snapshot."""
    assert await client.ask(ack_id, type="subscribeGroupState", group="g") == "done"
    snapshot = await client.receive()
    assert (snapshot["type"], snapshot["group"]) == ("groupStateSnapshot", "g")
    return snapshot


async def update(client: Client) -> dict[str, Any]:
    """Return the only item of the next update."""
    frame = await client.receive()
    assert (frame["type"], frame["group"]) == ("groupStateUpdate", "g")
    (item,) = frame["items"]
    return dict(item)


@pytest.mark.specified
async def test_a_snapshot_comes_after_a_successful_subscription(watcher: Client) -> None:
    assert (await subscribe(watcher))["items"] == []


@pytest.mark.specified
async def test_a_snapshot_has_the_state_of_each_member(member: Client, watcher: Client) -> None:
    """With the time of its last change, in milliseconds since 1970."""
    assert await set_state(member, {"status": "busy", "empty": ""}) == "done"
    (item,) = (await subscribe(watcher))["items"]
    assert abs(item.pop("updatedAt") - time.time() * 1000) < 300_000
    assert item == {
        "connectionId": member.connection_id,
        "userId": "ann",
        "state": {"status": "busy", "empty": ""},
    }


@pytest.mark.specified
async def test_a_change_is_an_update_for_subscribers(member: Client, watcher: Client) -> None:
    """The new state replaces the whole one before, and its time is later."""
    await subscribe(watcher)
    assert await set_state(member, {"a": "1"}) == "done"
    first = await update(watcher)
    assert await set_state(member, {"b": "2"}, 2) == "done"
    second = await update(watcher)
    assert (first["state"], second["state"]) == ({"a": "1"}, {"b": "2"})
    assert first["updatedAt"] < second["updatedAt"]


@pytest.mark.specified
async def test_a_state_that_is_cleared_is_absent(member: Client, watcher: Client) -> None:
    await subscribe(watcher)
    await set_state(member, {"a": "1"})
    await update(watcher)
    assert await set_state(member, None, 2) == "done"
    item = await update(watcher)
    assert item["connectionId"] == member.connection_id
    assert "state" not in item
    assert (await subscribe(watcher, 2))["items"] == []


@pytest.mark.specified
async def test_an_anonymous_member_has_no_user_id(hub: Hub, watcher: Client) -> None:
    await subscribe(watcher)
    async with hub.connect(group="g", role=MAY_SET) as member:
        await set_state(member, {})
        assert "userId" not in await update(watcher)


@pytest.mark.specified
async def test_a_subscriber_gets_its_own_state(hub: Hub) -> None:
    """npm's client lists it only when the service sends it back."""
    async with hub.connect(group="g", role=[MAY_SET, MAY_GET]) as client:
        await subscribe(client)
        await client.send(type="setGroupState", group="g", state={"a": "1"})
        assert (await update(client))["state"] == {"a": "1"}


@pytest.mark.specified
async def test_updates_end_with_the_subscription(member: Client, watcher: Client) -> None:
    await subscribe(watcher)
    assert await watcher.ask(2, type="unsubscribeGroupState", group="g") == "done"
    await set_state(member, {})
    assert await watcher.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
async def test_snapshots_and_updates_have_the_sequence_id_of_a_reliable_client(
    hub: Hub, member: Client
) -> None:
    async with hub.connect(RELIABLE_JSON, role=MAY_GET) as client:
        assert (await subscribe(client))["sequenceId"] == 1
        await set_state(member, {})
        assert (await client.receive())["sequenceId"] == 2


@pytest.mark.specified
async def test_setting_and_subscribing_need_their_roles(hub: Hub) -> None:
    """The roles of groups' messages and memberships do not include them."""
    roles = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]
    async with hub.connect(group="g", role=roles) as client:
        assert await set_state(client, {}) == "Forbidden"
        assert await client.ask(2, type="subscribeGroupState", group="g") == "Forbidden"


@pytest.mark.inferred
@pytest.mark.parametrize("role", [".g", "s.*"])
async def test_the_roles_may_be_for_one_group_or_a_pattern(hub: Hub, role: str) -> None:
    """As the roles for messages and memberships."""
    async with hub.connect(group=["g", "a.b"], role=[f"{MAY_SET}{role}"]) as client:
        assert await set_state(client, {}) == "done"
        other = await client.ask(2, type="setGroupState", group="a.b", state={})
        assert other == "Forbidden"


@pytest.mark.inferred
async def test_a_state_needs_a_membership(member: Client) -> None:
    assert await member.ask(1, type="leaveGroup", group="g") == "done"
    assert await set_state(member, {}, 2) == "Forbidden"


@pytest.mark.inferred
async def test_a_state_ends_with_the_membership(hub: Hub, member: Client, watcher: Client) -> None:
    """Also if a REST call ends it."""
    await subscribe(watcher)
    await set_state(member, {})
    await update(watcher)
    await hub.call("DELETE", f"/groups/g{member.path}")
    assert "state" not in await update(watcher)


@pytest.mark.inferred
async def test_a_state_ends_with_the_connection(member: Client, watcher: Client) -> None:
    await subscribe(watcher)
    await set_state(member, {})
    await update(watcher)
    await member.websocket.close(code=1000)
    assert "state" not in await update(watcher)


@pytest.mark.inferred
async def test_a_subscription_survives_a_recovery(hub: Hub, member: Client) -> None:
    """What the client missed is sent again."""
    async with hub.connect(RELIABLE_JSON, role=MAY_GET) as client:
        first = await subscribe(client)
        client.drop()
        await set_state(member, {"a": "1"})
        async with hub.recover(client) as again:
            assert await again.receive() == first
            assert (await update(again))["state"] == {"a": "1"}


@pytest.mark.inferred
@pytest.mark.parametrize(
    "frame",
    [
        {"type": "setGroupState"},
        {"type": "setGroupState", "group": "g", "state": []},
        {"type": "setGroupState", "group": "g", "state": {"a": 1}},
        {"type": "subscribeGroupState"},
        {"type": "unsubscribeGroupState", "group": ""},
    ],
)
async def test_a_malformed_frame_of_a_state_closes_with_1007(
    watcher: Client, frame: dict[str, Any]
) -> None:
    """As every other malformed frame."""
    await watcher.send(**frame)
    assert (await watcher.receive_close())[0] == 1007
