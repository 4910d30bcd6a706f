"""Membership and delivery (REST reference; concepts of hubs, groups, users)."""

import pytest

from contract.target import Hub, Target, escape


async def members(hub: Hub, group: str) -> list[str]:
    """Return the connection ids in a group."""
    answer = await hub.call("GET", f"/groups/{group}/connections")
    return [member["connectionId"] for member in answer.body["value"]]


@pytest.mark.specified
async def test_a_group_exists_while_it_has_members(hub: Hub) -> None:
    """Adding twice and removing without membership succeed."""
    async with hub.connect() as client:
        place = f"/groups/g{client.path}"
        for _ in range(2):
            assert (await hub.call("PUT", place)).status == 200
        assert await members(hub, "g") == [client.connection_id]
        for _ in range(2):
            assert (await hub.call("DELETE", place)).status == 204
        assert not await hub.has("/groups/g")


@pytest.mark.specified
async def test_a_user_joins_with_all_current_connections(hub: Hub) -> None:
    """Later connections of the user do not join."""
    async with hub.connect(user="ann") as one, hub.connect(user="ann") as two:
        assert (await hub.call("PUT", "/users/ann/groups/g")).status == 200
        async with hub.connect(user="ann"):
            assert await members(hub, "g") == sorted([one.connection_id, two.connection_id])
        for _ in range(2):
            assert (await hub.call("DELETE", "/users/ann/groups/g")).status == 204
        assert not await hub.has("/groups/g")


@pytest.mark.specified
@pytest.mark.parametrize("path", ["{client}/groups", "/users/ann/groups"])
async def test_a_connection_or_a_user_leaves_all_groups(hub: Hub, path: str) -> None:
    async with hub.connect(user="ann", group=["a", "b"]) as client:
        answer = await hub.call("DELETE", path.format(client=client.path))
        assert answer.status == 204
        assert [await hub.has(f"/groups/{name}") for name in "ab"] == [False, False]


@pytest.mark.specified
async def test_a_filter_selects_who_joins_or_leaves_groups(hub: Hub) -> None:
    """Without a filter the whole hub leaves."""
    async with hub.connect(user="ann") as ann, hub.connect(user="bob"):
        body = '{"groups":["a","b"],"filter":"userId eq \'ann\'"}'
        assert (await hub.call("POST", "/:addToGroups", body)).status == 200
        assert await members(hub, "b") == [ann.connection_id]
        none = '{"groups":["a"],"filter":"false"}'
        assert (await hub.call("POST", "/:removeFromGroups", none)).status == 200
        assert await hub.has("/groups/a")
        await hub.call("POST", "/:removeFromGroups", '{"groups":["a"]}')
        assert [await hub.has(f"/groups/{name}") for name in "ab"] == [False, True]


@pytest.mark.specified
async def test_names_are_case_sensitive_except_hubs(hub: Hub) -> None:
    """Names of groups, users and connections are case-sensitive."""
    async with hub.connect(user="ann", group="g") as client:
        assert [await hub.has(f"/groups/{name}") for name in "gG"] == [True, False]
        assert [await hub.has(f"/users/{name}") for name in ("ann", "Ann")] == [True, False]
        assert not await hub.has(f"/connections/{client.connection_id.swapcase()}")
        upper = Hub(hub.target, hub.name.upper())
        assert await upper.has("/groups/g")


@pytest.mark.specified
async def test_hubs_are_separate(target: Target, hub: Hub) -> None:
    """A hub has neither connections nor messages of another hub."""
    other = Hub(target, f"{hub}other")
    async with hub.connect(user="ann", group="g") as client:
        for path in ("/users/ann", "/groups/g", client.path):
            assert not await other.has(path)
        await other.send("not for you")
        await hub.send("for you")
        assert (await client.receive())["data"] == "for you"


@pytest.mark.specified
async def test_a_message_to_a_group_names_the_group_and_no_sender(hub: Hub) -> None:
    """The server has no `fromUserId`: it is null or absent. Other clients do not receive it."""
    async with hub.connect(group="g") as member, hub.connect() as other:
        await hub.send("x", "/groups/g")
        frame = await member.receive()
        assert frame.pop("fromUserId", None) is None
        assert frame == {"type": "message", "from": "group", "group": "g", "dataType": "text",
                         "data": "x"}  # fmt: skip
        await hub.send("all")
        assert (await other.receive())["data"] == "all"


@pytest.mark.specified
@pytest.mark.parametrize("to", ["", "/users/ann", "{client}"])
async def test_a_message_to_all_a_user_or_a_connection_is_from_the_server(
    hub: Hub, to: str
) -> None:
    async with hub.connect(user="ann") as client:
        await hub.send("x", to.format(client=client.path))
        expected = {"type": "message", "from": "server", "dataType": "text", "data": "x"}
        assert await client.receive() == expected


@pytest.mark.specified
async def test_a_message_to_a_user_reaches_all_its_connections(hub: Hub) -> None:
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


@pytest.mark.specified
@pytest.mark.parametrize("to", ["", "/groups/g"])
async def test_excluded_may_be_repeated_and_combined_with_a_filter(hub: Hub, to: str) -> None:
    async with (
        hub.connect(user="ann", group="g") as ann,
        hub.connect(user="bob", group="g") as bob,
        hub.connect(group="g") as third,
    ):
        query = f"excluded={bob.connection_id}&excluded={third.connection_id}"
        await hub.call("POST", f"{to}/:send?{query}", "1")
        assert (await ann.receive())["data"] == 1
        where = escape("userId ne 'bob'")
        query = f"excluded={ann.connection_id}&filter={where}"
        await hub.call("POST", f"{to}/:send?{query}", "2")
        assert (await third.receive())["data"] == 2
        await hub.send("last", to)
        assert (await bob.receive())["data"] == "last"


@pytest.mark.specified
async def test_membership_and_permission_are_independent(hub: Hub) -> None:
    async with hub.connect(group="g", role="webpubsub.joinLeaveGroup.g") as client:
        await hub.call("DELETE", f"/groups/g{client.path}")
        right = f"/permissions/joinLeaveGroup{client.path}?targetName=g"
        assert (await hub.call("HEAD", right)).status == 200
        assert await client.ask(1, type="joinGroup", group="g") == "done"
        await hub.call("DELETE", right)
        assert await members(hub, "g") == [client.connection_id]
