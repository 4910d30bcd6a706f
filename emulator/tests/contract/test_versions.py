"""The api-version of a call (REST reference, "API version")."""

import pytest

from contract.target import NO_TOKEN, Hub, Target

VERSIONS = ["2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01"]
SINCE = [
    ("HEAD", "/users/u", None, "2021-10-01"),
    ("POST", "/:send", "1", "2021-10-01"),
    ("DELETE", "/connections/c/groups", None, "2022-11-01"),
    ("POST", "/:addToGroups", '{"groups":["g"]}', "2023-07-01"),
    ("POST", "/:removeFromGroups", '{"groups":["g"]}', "2023-07-01"),
    ("GET", "/groups/g/connections", None, "2024-12-01"),
]


@pytest.mark.parametrize(("method", "path", "body", "since"), SINCE)
async def test_versions_since_the_operation_exists(
    hub: Hub, method: str, path: str, body: str | None, since: str
) -> None:
    """An operation tells its versions, takes each of them, and refuses older ones.

    As recorded; Microsoft's emulator takes and tells every version everywhere.
    """
    supported = VERSIONS[VERSIONS.index(since) :]
    for version in VERSIONS:
        answer = await hub.call(method, f"{path}?api-version={version}", body)
        if version in supported:
            assert answer.status != 400
            assert answer.headers["api-supported-versions"] == ", ".join(supported)
        else:
            message = answer.body["message"]
            assert answer.status == 400
            assert message.startswith("The HTTP resource that matches the request URI '")
            assert message.endswith(f"' does not support the API version '{version}'.")


async def test_no_version_is_the_latest(hub: Hub) -> None:
    """A call that is younger than the oldest version works without one."""
    # The query keeps the suite from adding one.
    answer = await hub.call("GET", "/groups/g/connections?not-api-version")
    assert answer.status == 200


@pytest.mark.parametrize(
    "version",
    ["2020-01-01", "2021-08-01-preview", "2024-12-01%20", "", "2024-12-01&api-version=2024-12-01"],
)
async def test_unknown_versions(hub: Hub, version: str) -> None:
    """One that is not known, or two: nothing is done, and the parameter is named."""
    async with hub.connect() as client:
        answer = await hub.call("POST", f"/:send?api-version={version}", "1")
        assert (answer.status, answer.body["target"]) == (400, "api-version")
        await hub.send("next")
        assert (await client.receive())["data"] == "next"


async def test_the_version_is_checked_first(target: Target, hub: Hub) -> None:
    """Before the token."""
    path = f"/api/hubs/{hub}/users/u?api-version=2020-01-01"
    assert (await target.call("HEAD", path, headers=NO_TOKEN)).status == 400
