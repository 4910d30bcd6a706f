"""The events "joined" and "left" of groups (ARM's `groupPresenceEvents`; web-pubsub-express)."""

import json
from typing import Any

import pytest

from contract.hubs import FreeHubs
from contract.target import ANY_GROUP, RELIABLE_JSON, Hub, Target, eventually
from unit.app import App


@pytest.fixture
def handled(request: pytest.FixtureRequest, emulator_only: Target, free_hubs: FreeHubs) -> Hub:
    """Provide a hub whose event handler gets events of groups only; a parameter may choose it."""
    return Hub(emulator_only, free_hubs.take(getattr(request, "param", "memberships")))


async def arrived(app: App, *names: str) -> None:
    """Wait until exactly these events arrived, in any order: each has a request of its own."""

    async def events() -> list[str]:
        return sorted(app.events)

    await eventually(events, sorted(names))


def about(app: App) -> list[tuple[str, str]]:
    """Return name and group of each event, in the order of their numbers."""
    posts = [one for one in app.received if one.method == "POST"]
    posts.sort(key=lambda one: int(one.headers["ce-id"]))
    return [(one.headers["ce-eventname"], json.loads(one.body)["group"]) for one in posts]


@pytest.mark.specified
async def test_a_join_of_a_client_is_an_event(handled: Hub, app: App) -> None:
    """The attributes are the ones of every event; the type has "gp" in it."""
    async with handled.connect(user="ann", role=ANY_GROUP) as client:
        assert await client.ask(1, type="joinGroup", group="g") == "done"
        await arrived(app, "joined")
        event = app.last("joined")
        expected = {
            "ce-type": "azure.webpubsub.gp.joined",
            "ce-eventname": "joined",
            "ce-hub": handled.name,
            "ce-connectionid": client.connection_id,
            "ce-userid": "ann",
            "ce-source": f"/hubs/{handled.name}/client/{client.connection_id}",
        }
        assert {name: event.headers.get(name) for name in expected} == expected
        assert event.headers["content-type"].partition(";")[0] == "application/json"
        assert event.headers["ce-signature"].startswith("sha256=")
        assert json.loads(event.body) == {"group": "g"}


@pytest.mark.specified
async def test_a_leave_of_a_client_is_an_event(handled: Hub, app: App) -> None:
    async with handled.connect(role=ANY_GROUP) as client:
        await client.ask(1, type="joinGroup", group="g")
        await client.ask(2, type="leaveGroup", group="g")
        await arrived(app, "joined", "left")
    assert app.last("left").headers["ce-type"] == "azure.webpubsub.gp.left"
    assert json.loads(app.last("left").body) == {"group": "g"}


@pytest.mark.specified
async def test_changes_by_rest_calls_are_events(handled: Hub, app: App) -> None:
    """ARM says: when connections join or leave groups in the hub, without naming a way."""
    async with handled.connect(user="ann") as client:
        for method, path in (
            ("PUT", f"/groups/a{client.path}"),
            ("DELETE", f"/groups/a{client.path}"),
            ("PUT", "/users/ann/groups/b"),
            ("DELETE", "/users/ann/groups"),
        ):
            assert (await handled.call(method, path)).status in (200, 204)
        await arrived(app, "joined", "left", "joined", "left")
        assert about(app) == [("joined", "a"), ("left", "a"), ("joined", "b"), ("left", "b")]


@pytest.mark.specified
async def test_bulk_changes_are_events_of_each_connection(handled: Hub, app: App) -> None:
    async with handled.connect(user="ann") as ann, handled.connect(user="bob") as bob:
        for call in ("/:addToGroups", "/:removeFromGroups"):
            assert (await handled.call("POST", call, '{"groups":["g"]}')).status == 200
        await arrived(app, "joined", "joined", "left", "left")
        connections = {one.headers["ce-connectionid"] for one in app.received if one.body}
        assert connections == {ann.connection_id, bob.connection_id}


@pytest.mark.inferred
async def test_groups_of_the_token_are_joined(handled: Hub, app: App) -> None:
    async with handled.connect(group=["a", "b"]):
        await arrived(app, "joined", "joined")
        assert sorted(about(app)) == [("joined", "a"), ("joined", "b")]


@pytest.mark.inferred
async def test_a_change_that_changes_nothing_is_no_event(handled: Hub, app: App) -> None:
    """Joining twice, leaving without being a member."""
    async with handled.connect(role=ANY_GROUP) as client:
        for ack_id, kind in enumerate(("leaveGroup", "joinGroup", "joinGroup", "leaveGroup")):
            assert await client.ask(ack_id, type=kind, group="g") == "done"
        await arrived(app, "joined", "left")


@pytest.mark.inferred
async def test_a_connection_that_ends_leaves_its_groups(handled: Hub, app: App) -> None:
    async with handled.connect(group="g") as client:
        await client.websocket.close(code=1000)
        await arrived(app, "joined", "left")


@pytest.mark.inferred
async def test_a_lost_socket_of_a_reliable_client_leaves_no_group(handled: Hub, app: App) -> None:
    """Its connection still exists."""
    async with handled.connect(RELIABLE_JSON, group="g") as client:
        client.drop()
        async with handled.recover(client) as again:
            assert await again.exchange(type="ping") == {"type": "pong"}
            assert await handled.has("/groups/g")
            await arrived(app, "joined")


@pytest.mark.specified
async def test_the_service_does_not_wait_for_the_answer(handled: Hub, app: App) -> None:
    """And an answer that is an error has no effect."""
    app.slow.add("joined")
    async with handled.connect(role=ANY_GROUP) as client:
        assert await client.ask(1, type="joinGroup", group="g") == "done"
        assert await client.exchange(type="ping") == {"type": "pong"}
        app.release.set()


@pytest.mark.specified
@pytest.mark.parametrize("handled", ["filtered"], indirect=True)
async def test_filters_pick_events_by_name_and_group(handled: Hub, app: App) -> None:
    """The first event handler that takes an event gets it. A filter may match many groups."""
    groups = ["lobby", "lobby2", "room.1", "hall.1"]
    async with handled.connect(user="ann"):
        for group in groups:
            await handled.call("PUT", f"/users/ann/groups/{group}")
        await handled.call("DELETE", "/users/ann/groups/lobby")

        async def paths() -> list[str]:
            posts = [one for one in app.received if one.method == "POST"]
            return sorted(one.path.rpartition("/")[2] for one in posts)

        expected = ["one-joined", "one-joined", "two-joined", "two-joined", "two-left"]
        await eventually(paths, expected)


@pytest.mark.specified
@pytest.mark.parametrize("handled", ["everything"], indirect=True)
async def test_without_group_presence_events_there_are_none(handled: Hub, app: App) -> None:
    """The default is null. Other events have their numbers as before."""
    frame: dict[str, Any] = {"type": "event", "event": "e", "data": 1}
    async with handled.connect(group="g") as client:
        await app.wait_for("connect", "connected")
        assert await client.ask(1, **frame) == "done"
        await client.websocket.close(code=1000)
        await app.wait_for("connect", "connected", "e", "disconnected")
    numbers = [one.headers["ce-id"] for one in app.received if one.method == "POST"]
    assert numbers == ["0", "1", "2", "3"]
