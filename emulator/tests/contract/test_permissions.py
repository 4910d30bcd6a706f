"""Roles and permissions (concept-client-protocols; concept-wildcard-group-roles)."""

import pytest

from contract.target import ANY_GROUP, Client, Hub

FORBIDDEN = {
    "joinGroup": "The client does not have permission to join group 'g'.",
    "leaveGroup": "The client does not have permission to leave group 'g'.",
    "sendToGroup": "The client does not have permission to send to group 'g'.",
}


@pytest.mark.specified
@pytest.mark.parametrize("kind", FORBIDDEN)
async def test_a_client_without_a_role_is_forbidden(hub: Hub, kind: str) -> None:
    """It may not join, leave or send. Its connection stays open."""
    data = {"data": 1} if kind == "sendToGroup" else {}
    async with hub.connect(group="g") as client:
        answer = await client.exchange(type=kind, group="g", ackId=1, **data)
        error = {"name": "Forbidden", "message": FORBIDDEN[kind]}
        assert answer == {"type": "ack", "ackId": 1, "success": False, "error": error}
        assert await client.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
@pytest.mark.parametrize(
    ("pattern", "group", "matches"),
    [
        ("joinLeaveGroup", "any", True),
        ("joinLeaveGroup.a", "a", True),
        ("joinLeaveGroup.a", "A", False),
        ("joinLeaveGroup.a", "ab", False),
        ("joinLeaveGroup.a.b", "a.b", True),
        ("joinLeaveGroup.*", "*", True),
        ("joinLeaveGroup.*", "a", False),
        ("joinLeaveGroups.a", "a", True),
        ("joinLeaveGroups.a*", "abc", True),
        ("joinLeaveGroups.a*", "a", True),
        ("joinLeaveGroups.a*", "a.b", False),
        ("joinLeaveGroups.a**", "a.b", True),
        ("joinLeaveGroups.**", "any.thing", True),
        ("joinLeaveGroups.a?c", "abc", True),
        ("joinLeaveGroups.a?c", "a.c", False),
        ("joinLeaveGroups.a?", "a", False),
        ("joinLeaveGroups.a*", "A1", False),
        ("joinLeaveGroups.*b", "abc", False),
        ("joinLeaveGroups.a\\*", "a*", True),
        ("joinLeaveGroups.a\\*", "ab", False),
        ("joinLeaveGroups.a\\\\", "a\\", True),
        ("joinLeaveGroups.a\\b*", "ab1", False),
        ("joinLeaveGroups.a*\\", "ab", False),
        ("joinLeaveGroups.*****", "abc", True),
        ("joinLeaveGroups.******", "abc", False),
        ("sendToGroup", "a", False),
        ("unknown", "a", False),
    ],
)
async def test_a_role_allows_the_groups_that_its_pattern_matches(
    hub: Hub, pattern: str, group: str, matches: bool
) -> None:
    """An invalid pattern allows nothing."""
    async with hub.connect(role=f"webpubsub.{pattern}") as client:
        expected = "done" if matches else "Forbidden"
        assert await client.ask(1, type="joinGroup", group=group) == expected


@pytest.mark.specified
async def test_roles_add_up(hub: Hub) -> None:
    """Each role allows its own action only."""
    roles = ["webpubsub.joinLeaveGroup.a", "webpubsub.sendToGroups.b*"]
    async with hub.connect(role=roles) as client:
        assert await client.ask(1, type="joinGroup", group="a") == "done"
        assert await client.ask(2, type="sendToGroup", group="a", data=1) == "Forbidden"
        assert await client.ask(3, type="sendToGroup", group="b1", data=1) == "done"
        assert await client.ask(4, type="joinGroup", group="b1") == "Forbidden"


@pytest.mark.specified
async def test_groups_of_a_token_need_no_role(hub: Hub) -> None:
    """A client is a member of them at once. Sending needs no membership."""
    async with hub.connect(group=["a", "b"], role="webpubsub.sendToGroup.c") as client:
        assert [await hub.has(f"/groups/{name}") for name in "ab"] == [True, True]
        assert await client.ask(1, type="sendToGroup", group="c", data=1) == "done"


async def join(client: Client, ack_id: int, group: str = "room1") -> str:
    """Return the outcome of a join."""
    return await client.ask(ack_id, type="joinGroup", group=group)


@pytest.mark.specified
async def test_permissions_change_at_once(hub: Hub) -> None:
    """A grant takes back a revocation."""
    async with hub.connect(role="webpubsub.joinLeaveGroups.room*") as client:
        right = f"/permissions/joinLeaveGroup{client.path}?targetName="
        assert (await hub.call("HEAD", f"{right}room1")).status == 200
        assert (await hub.call("HEAD", f"{right}other")).status == 404
        assert await join(client, 1) == "done"
        assert (await hub.call("DELETE", f"{right}room1")).status == 204
        assert (await hub.call("HEAD", f"{right}room1")).status == 404
        assert await join(client, 2) == "Forbidden"
        assert await join(client, 3, "room2") == "done"
        assert (await hub.call("PUT", f"{right}room1")).status == 200
        assert await join(client, 4) == "done"


@pytest.mark.specified
async def test_granted_permissions_have_no_wildcards(hub: Hub) -> None:
    """They are for one connection."""
    async with hub.connect() as client, hub.connect() as other:
        right = f"/permissions/sendToGroup{client.path}?targetName="
        assert (await hub.call("PUT", f"{right}*")).status == 200
        assert (await hub.call("HEAD", f"{right}*")).status == 200
        assert (await hub.call("HEAD", f"{right}x")).status == 404
        assert await other.ask(1, type="sendToGroup", group="*", data=1) == "Forbidden"


@pytest.mark.specified
async def test_targets_of_permissions_are_case_sensitive(hub: Hub) -> None:
    async with hub.connect() as client:
        right = f"/permissions/sendToGroup{client.path}?targetName="
        assert (await hub.call("PUT", f"{right}Room")).status == 200
        assert [(await hub.call("HEAD", f"{right}{name}")).status for name in ("Room", "room")] == [
            200,
            404,
        ]


@pytest.mark.specified
@pytest.mark.parametrize(("number", "name"), [("1", "sendToGroup"), ("2", "joinLeaveGroup")])
async def test_permissions_may_be_named_by_number(hub: Hub, number: str, name: str) -> None:
    """Microsoft's emulator accepts the numbers that permissions have in .NET, too."""
    async with hub.connect() as client:
        rest = f"{client.path}?targetName=g"
        assert (await hub.call("PUT", f"/permissions/{number}{rest}")).status == 200
        assert (await hub.call("HEAD", f"/permissions/{name}{rest}")).status == 200


@pytest.mark.specified
async def test_a_missing_permission_is_404(hub: Hub) -> None:
    """With the error code of a missing connection."""
    async with hub.connect() as client:
        path = f"/permissions/sendToGroup{client.path}?targetName=g"
        answer = await hub.call("HEAD", path)
        assert (answer.status, answer.code) == (404, "Info.Connection.NotExisted")


@pytest.mark.specified
async def test_a_revocation_removes_one_group_from_a_general_role(hub: Hub) -> None:
    async with hub.connect(role=ANY_GROUP) as client:
        await hub.call("DELETE", f"/permissions/sendToGroup{client.path}?targetName=g")
        assert await client.ask(1, type="sendToGroup", group="g", data=1) == "Forbidden"
        assert await client.ask(2, type="sendToGroup", group="h", data=1) == "done"
        assert await client.ask(3, type="joinGroup", group="g") == "done"
