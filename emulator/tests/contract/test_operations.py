"""The 25 operations of the data plane (REST specification 2024-12-01), and their answers."""

from dataclasses import dataclass
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from contract.target import NO_TOKEN, Hub, Target


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation below a hub; {id} is a connection of user ann, who is in group g.

    `missing` is a path of something that does not exist, its status, and its error code if that was
    recorded or is known from Microsoft's emulator.
    """

    name: str
    method: str
    path: str
    success: int
    missing: tuple[str, int, str | None] | None = None
    body: str | None = None

    def __str__(self) -> str:
        return self.name


GROUPS = '{"groups":["g"]}'
NO_SUCH_CONNECTION = "Info.Connection.NotExisted"
OPERATIONS = [
    Operation("AddConnectionsToGroups", "POST", "/:addToGroups", 200, body=GROUPS),
    Operation("CloseAllConnections", "POST", "/:closeConnections", 204),
    Operation("GenerateClientToken", "POST", "/:generateToken", 200),
    Operation("RemoveConnectionsFromGroups", "POST", "/:removeFromGroups", 200, body=GROUPS),
    Operation("SendToAll", "POST", "/:send", 202, body="1"),
    Operation("CloseConnection", "DELETE", "/connections/{id}", 204,
              ("/connections/x", 204, None)),
    Operation("ConnectionExists", "HEAD", "/connections/{id}", 200, ("/connections/x", 404, None)),
    Operation("SendToConnection", "POST", "/connections/{id}/:send", 202,
              ("/connections/x/:send", 202, None), "1"),
    Operation("RemoveConnectionFromAllGroups", "DELETE", "/connections/{id}/groups", 204,
              ("/connections/x/groups", 204, None)),
    Operation("GroupExists", "HEAD", "/groups/g", 200,
              ("/groups/x", 404, "Warning.Group.NotExisted")),
    Operation("CloseGroupConnections", "POST", "/groups/g/:closeConnections", 204,
              ("/groups/x/:closeConnections", 204, None)),
    Operation("SendToGroup", "POST", "/groups/g/:send", 202, ("/groups/x/:send", 202, None), "1"),
    Operation("ListConnectionsInGroup", "GET", "/groups/g/connections", 200,
              ("/groups/x/connections", 200, None)),
    Operation("RemoveConnectionFromGroup", "DELETE", "/groups/g/connections/{id}", 204,
              ("/groups/g/connections/x", 204, None)),
    Operation("AddConnectionToGroup", "PUT", "/groups/g/connections/{id}", 200,
              ("/groups/g/connections/x", 404, "Error.Connection.NotExisted")),
    Operation("RevokePermission", "DELETE",
              "/permissions/sendToGroup/connections/{id}?targetName=g", 204,
              ("/permissions/sendToGroup/connections/x?targetName=g", 204, None)),
    Operation("CheckPermission", "HEAD",
              "/permissions/SENDTOGROUP/connections/{id}?targetName=mine", 200,
              ("/permissions/sendToGroup/connections/x?targetName=mine", 404, NO_SUCH_CONNECTION)),
    Operation("GrantPermission", "PUT",
              "/permissions/joinLeaveGroup/connections/{id}?targetName=g", 200,
              ("/permissions/joinLeaveGroup/connections/x?targetName=g", 404, NO_SUCH_CONNECTION)),
    Operation("UserExists", "HEAD", "/users/ann", 200,
              ("/users/x", 404, "Warning.User.NotExisted")),
    Operation("CloseUserConnections", "POST", "/users/ann/:closeConnections", 204,
              ("/users/x/:closeConnections", 204, None)),
    Operation("SendToUser", "POST", "/users/ann/:send", 202, ("/users/x/:send", 202, None), "1"),
    Operation("RemoveUserFromAllGroups", "DELETE", "/users/ann/groups", 204,
              ("/users/x/groups", 204, None)),
    Operation("RemoveUserFromGroup", "DELETE", "/users/ann/groups/g", 204,
              ("/users/x/groups/g", 204, None)),
    Operation("AddUserToGroup", "PUT", "/users/ann/groups/g", 200,
              ("/users/x/groups/g", 404, "Warning.User.NotExisted")),
]  # fmt: skip
WITH_CONTENT = ("GenerateClientToken", "ListConnectionsInGroup")

each = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


@pytest.mark.recorded
async def test_health_needs_no_token(target: Target) -> None:
    """It is the 25th operation, HealthApi_GetServiceStatus; the others are below."""
    assert len(OPERATIONS) + 1 == 25
    assert (await target.call("HEAD", "/api/health", headers=NO_TOKEN)).status == 200


@pytest.mark.specified
@each
async def test_an_operation_succeeds_with_its_own_status(hub: Hub, operation: Operation) -> None:
    """Most answers have no content."""
    role = "webpubsub.sendToGroup.mine"
    async with hub.connect(user="ann", group="g", role=role) as client:
        path = operation.path.format(id=client.connection_id)
        answer = await hub.call(operation.method, path, operation.body)
    assert (answer.status, answer.code) == (operation.success, None)
    assert (answer.body == "") is (operation.name not in WITH_CONTENT)
    if operation.success in (200, 202) and operation.method != "HEAD" and not answer.body:
        assert answer.headers["Content-Length"] == "0"


@pytest.mark.specified
@each
async def test_an_answer_has_the_date(hub: Hub, operation: Operation) -> None:
    """In whole seconds (RFC 9110, sections 5.6.7 and 6.6.1), whatever the status.

    No later answer has an earlier date.
    """
    path = operation.path.format(id="c")
    answers = [await hub.call(operation.method, path, operation.body) for _ in range(2)]
    answers.append(await hub.call(operation.method, path, operation.body, **NO_TOKEN))
    dates = [parsedate_to_datetime(answer.headers["Date"]) for answer in answers]
    written = [format_datetime(date, usegmt=True) for date in dates]
    assert written == [answer.headers["Date"] for answer in answers]
    assert dates == sorted(dates)


@pytest.mark.recorded
@each
async def test_an_operation_on_something_missing_succeeds_or_names_it(
    hub: Hub, operation: Operation
) -> None:
    """Sends, closes and removals succeed. The others name what was not found.

    Microsoft's emulator answers AddUserToGroup without a code; Azure was recorded with one.
    """
    path, status, code = operation.missing or (operation.path, operation.success, None)
    answer = await hub.call(operation.method, path, operation.body)
    assert answer.status == status
    assert code in (None, answer.code)


@pytest.mark.specified
@each
async def test_an_operation_needs_a_token(hub: Hub, operation: Operation) -> None:
    path = operation.path.format(id="c")
    answer = await hub.call(operation.method, path, operation.body, **NO_TOKEN)
    assert answer.status == 401


@pytest.mark.specified
@each
async def test_a_hyphen_in_a_hub_name_is_400(target: Target, operation: Operation) -> None:
    path = "/api/hubs/a-b" + operation.path.format(id="c")
    assert (await target.call(operation.method, path, operation.body)).status == 400
