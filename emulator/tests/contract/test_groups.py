"""Who is in which group, and who hears what (REST reference; concept of hubs, groups, users)."""

import pytest

from contract.target import Hub, Target, escape


async def members(hub: Hub, group: str) -> list[str]:
    """The connection ids in a group."""
    answer = await hub.call("GET", f"/groups/{group}/connections")
    return [member["connectionId"] for member in answer.body["value"]]


async def test_connections_come_and_go(hub: Hub) -> None:
    """A group exists as long as somebody is in it; twice in, or out without being in, is fine."""
    async with hub.connect() as client:
        place = f"/groups/g{client.path}"
        for _ in range(2):
            assert (await hub.call("PUT", place)).status == 200
        assert await members(hub, "g") == [client.connection_id]
        for _ in range(2):
            assert (await hub.call("DELETE", place)).status == 204
        assert not await hub.has("/groups/g")


async def test_users_come_and_go(hub: Hub) -> None:
    """A user is all connections that it has just now; nothing is kept for those to come."""
    async with hub.connect(user="ann") as one, hub.connect(user="ann") as two:
        assert (await hub.call("PUT", "/users/ann/groups/g")).status == 200
        async with hub.connect(user="ann"):
            assert await members(hub, "g") == sorted([one.connection_id, two.connection_id])
        for _ in range(2):
            assert (await hub.call("DELETE", "/users/ann/groups/g")).status == 204
        assert not await hub.has("/groups/g")


@pytest.mark.parametrize("path", ["{client}/groups", "/users/ann/groups"])
async def test_out_of_all_groups(hub: Hub, path: str) -> None:
    """A connection or a user leaves every group at once."""
    async with hub.connect(user="ann", group=["a", "b"]) as client:
        answer = await hub.call("DELETE", path.format(client=client.path))
        assert answer.status == 204
        assert [await hub.has(f"/groups/{name}") for name in "ab"] == [False, False]


async def test_many_at_once(hub: Hub) -> None:
    """A filter selects who joins; without one the whole hub leaves."""
    async with hub.connect(user="ann") as ann, hub.connect(user="bob"):
        wish = '{"groups":["a","b"],"filter":"userId eq \'ann\'"}'
        assert (await hub.call("POST", "/:addToGroups", wish)).status == 200
        assert await members(hub, "b") == [ann.connection_id]
        nobody = '{"groups":["a"],"filter":"false"}'
        assert (await hub.call("POST", "/:removeFromGroups", nobody)).status == 200
        assert await hub.has("/groups/a")
        await hub.call("POST", "/:removeFromGroups", '{"groups":["a"]}')
        assert [await hub.has(f"/groups/{name}") for name in "ab"] == [False, True]


async def test_names_have_a_case(hub: Hub) -> None:
    """Those of groups, users and connections, exactly; those of hubs have none."""
    async with hub.connect(user="ann", group="g") as client:
        assert [await hub.has(f"/groups/{name}") for name in "gG"] == [True, False]
        assert [await hub.has(f"/users/{name}") for name in ("ann", "Ann")] == [True, False]
        assert not await hub.has(f"/connections/{client.connection_id.swapcase()}")
        upper = Hub(hub.target, hub.name.upper())
        assert await upper.has("/groups/g")


async def test_hubs_are_apart(target: Target, hub: Hub) -> None:
    """Another hub knows nobody of this one, and its messages stay its own."""
    other = Hub(target, f"{hub}other")
    async with hub.connect(user="ann", group="g") as client:
        for path in ("/users/ann", "/groups/g", client.path):
            assert not await other.has(path)
        await other.send("not for you")
        await hub.send("for you")
        assert (await client.receive())["data"] == "for you"


async def test_a_message_for_a_group(hub: Hub) -> None:
    """It names the group and nobody as its sender; others do not hear it."""
    async with hub.connect(group="g") as member, hub.connect() as other:
        await hub.send("x", "/groups/g")
        frame = await member.receive()
        assert frame.pop("fromUserId", None) is None
        assert frame == {"type": "message", "from": "group", "group": "g", "dataType": "text",
                         "data": "x"}  # fmt: skip
        await hub.send("all")
        assert (await other.receive())["data"] == "all"


@pytest.mark.parametrize("to", ["", "/users/ann", "{client}"])
async def test_a_message_of_the_server(hub: Hub, to: str) -> None:
    """For all, for a user or for a connection, it is from the server."""
    async with hub.connect(user="ann") as client:
        await hub.send("x", to.format(client=client.path))
        expected = {"type": "message", "from": "server", "dataType": "text", "data": "x"}
        assert await client.receive() == expected


async def test_a_user_is_all_its_connections(hub: Hub) -> None:
    """Each hears what is sent to the user, and nobody else does."""
    async with (
        hub.connect(user="ann") as one,
        hub.connect(user="ann") as two,
        hub.connect(user="bob") as bob,
    ):
        await hub.send("x", "/users/ann")
        for client in (one, two):
            assert (await client.receive())["data"] == "x"
        await hub.send("y", "/users/bob")
        assert (await bob.receive())["data"] == "y"


@pytest.mark.parametrize("to", ["", "/groups/g"])
async def test_some_are_left_out(hub: Hub, to: str) -> None:
    """`excluded` may come several times, and counts together with a filter."""
    async with (
        hub.connect(user="ann", group="g") as ann,
        hub.connect(user="bob", group="g") as bob,
        hub.connect(group="g") as third,
    ):
        query = f"excluded={bob.connection_id}&excluded={third.connection_id}"
        await hub.call("POST", f"{to}/:send?{query}", "1")
        assert (await ann.receive())["data"] == 1
        query = f"excluded={ann.connection_id}&filter={escape("userId ne 'bob'")}"
        await hub.call("POST", f"{to}/:send?{query}", "2")
        assert (await third.receive())["data"] == 2
        await hub.send("last", to)
        assert (await bob.receive())["data"] == "last"


async def test_membership_is_no_permission(hub: Hub) -> None:
    """Leaving by REST takes no right away, and losing the right takes nobody out."""
    async with hub.connect(group="g", role="webpubsub.joinLeaveGroup.g") as client:
        await hub.call("DELETE", f"/groups/g{client.path}")
        right = f"/permissions/joinLeaveGroup{client.path}?targetName=g"
        assert (await hub.call("HEAD", right)).status == 200
        assert await client.ask(1, type="joinGroup", group="g") == "done"
        await hub.call("DELETE", right)
        assert await members(hub, "g") == [client.connection_id]
