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


@pytest.mark.recorded
@pytest.mark.parametrize(("method", "path", "body", "since"), SINCE)
async def test_an_operation_exists_since_its_first_version(
    hub: Hub, method: str, path: str, body: str | None, since: str
) -> None:
    """Older versions are refused. A header lists the supported versions.

    As recorded. Microsoft's emulator accepts and lists every version for every operation.
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


@pytest.mark.specified
async def test_a_call_without_a_version_has_the_latest(hub: Hub) -> None:
    # The query keeps the suite from adding one.
    answer = await hub.call("GET", "/groups/g/connections?not-api-version")
    assert answer.status == 200


@pytest.mark.specified
@pytest.mark.parametrize(
    "version",
    ["2020-01-01", "2021-08-01-preview", "2024-12-01%20", "", "2024-12-01&api-version=2024-12-01"],
)
async def test_an_unknown_or_repeated_version_is_400(hub: Hub, version: str) -> None:
    """The call has no effect."""
    async with hub.connect() as client:
        answer = await hub.call("POST", f"/:send?api-version={version}", "1")
        assert (answer.status, answer.body["target"]) == (400, "api-version")
        await hub.send("next")
        assert (await client.receive())["data"] == "next"


@pytest.mark.specified
async def test_the_version_is_checked_before_the_token(target: Target, hub: Hub) -> None:
    path = f"/api/hubs/{hub}/users/u?api-version=2020-01-01"
    assert (await target.call("HEAD", path, headers=NO_TOKEN)).status == 400
