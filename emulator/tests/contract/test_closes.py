"""How the service closes connections (REST reference, "Close")."""

from contextlib import AsyncExitStack

import pytest

from contract.target import Client, Hub, eventually

CLOSED_BY_APP = "Application server closed the connection."


async def receive_reason(client: Client) -> str:
    """Return the text of the last frame. The close frame that follows has no reason."""
    frame = await client.receive()
    assert (frame["type"], frame["event"]) == ("system", "disconnected")
    assert await client.receive_close() == (1000, "")
    return str(frame["message"])


@pytest.mark.specified
@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", CLOSED_BY_APP),
        ("?reason=", CLOSED_BY_APP),
        ("?reason=late", f"{CLOSED_BY_APP} Reason: late"),
        pytest.param(
            f"?reason={'x' * 500}", f"{CLOSED_BY_APP} Reason: {'x' * 500}", id="long reason"
        ),
    ],
)
async def test_a_json_client_receives_the_reason_in_a_frame(
    hub: Hub, query: str, text: str
) -> None:
    """A close frame has room for 123 bytes only."""
    async with hub.connect(user="ann") as client:
        assert (await hub.call("DELETE", f"{client.path}{query}")).status == 204
        assert await receive_reason(client) == text
        await eventually(lambda: hub.has(client.path), expected=False)
        await eventually(lambda: hub.has("/users/ann"), expected=False)


@pytest.mark.specified
async def test_a_simple_client_receives_only_the_close_frame(hub: Hub) -> None:
    async with hub.connect(None, user="ann") as client:
        await hub.call("POST", "/users/ann/:closeConnections?reason=late")
        assert await client.receive_close() == (1000, "")


@pytest.mark.specified
@pytest.mark.parametrize(
    "path", ["/:closeConnections", "/groups/g/:closeConnections", "/users/ann/:closeConnections"]
)
async def test_closing_many_connections_spares_excluded_ones(hub: Hub, path: str) -> None:
    """All connections, those in a group, or those with a user."""
    async with AsyncExitStack() as clients:
        one, two, three = [
            await clients.enter_async_context(hub.connect(user="ann", group="g")) for _ in range(3)
        ]
        excluded = f"excluded={two.connection_id}&excluded={three.connection_id}"
        await hub.call("POST", f"{path}?reason=r&{excluded}")
        assert await receive_reason(one) == f"{CLOSED_BY_APP} Reason: r"
        for client in (two, three):
            assert await client.exchange(type="ping") == {"type": "pong"}
        await hub.call("POST", path)
        for client in (two, three):
            assert await receive_reason(client) == CLOSED_BY_APP


@pytest.mark.specified
async def test_other_groups_and_users_stay_connected(hub: Hub) -> None:
    async with hub.connect(user="bob", group="h") as client:
        for path in ("/groups/g/:closeConnections", "/users/ann/:closeConnections"):
            await hub.call("POST", path)
        assert await client.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
async def test_a_client_that_closes_leaves_its_groups(hub: Hub) -> None:
    async with hub.connect(user="ann", group="g") as client:
        await client.websocket.close(code=1000, message=b"bye")
        for path in (client.path, "/groups/g", "/users/ann"):
            await eventually(lambda path=path: hub.has(path), expected=False)  # type: ignore[misc]


@pytest.mark.specified
async def test_a_client_without_reliability_ends_with_its_socket(hub: Hub) -> None:
    async with hub.connect() as client:
        client.drop()
        await eventually(lambda: hub.has(client.path), expected=False)


@pytest.mark.specified
async def test_a_comma_does_not_separate_excluded_ids(hub: Hub) -> None:
    """One value with two ids excludes no connection."""
    async with hub.connect() as one, hub.connect() as two:
        await hub.call(
            "POST", f"/:closeConnections?excluded={one.connection_id},{two.connection_id}"
        )
        for client in (one, two):
            assert await receive_reason(client) == CLOSED_BY_APP
