"""Tests of routes.py."""

import pytest

from webpubsub_emulator.routes import (
    API_VERSIONS,
    allowed_methods,
    match_route,
    split_path,
    versions_of,
)


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ("tenant%2Falice", "tenant%2Falice"),
        ("tenant%2falice", "tenant%2falice"),
        ("tenant%252Falice", "tenant%2Falice"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("a%3Fb", "a?b"),
        ("%C3%A9", "é"),
        ("%FF", "\ufffd"),
    ],
)
def test_segments_are_decoded_as_azure_does(segment: str, name: str) -> None:
    """An encoded slash stays encoded, everything else is decoded once."""
    assert split_path(f"/api/{segment}") == ("", "api", name)


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("HEAD", "/api/health", "GetServiceStatus"),
        ("POST", "/api/hubs/h/:send", "SendToAll"),
        ("POST", "/api/hubs/h/%3Asend", "SendToAll"),
        ("PUT", "/api/hubs/h/groups/g/connections/c", "AddConnectionToGroup"),
        ("PUT", "/api/hubs/h/users/u/groups/g", "AddUserToGroup"),
        ("GET", "/api/hubs/h/:send", None),
        ("POST", "/api/hubs/h/:send/", None),
        ("POST", "/api/hubs/h/groups/g/x/:send", None),
        ("GET", "/", None),
    ],
)
def test_operations(method: str, path: str, operation: str | None) -> None:
    """Method and path name one operation or none."""
    match = match_route(method, split_path(path))
    assert (match and match.operation) == operation


def test_names_in_paths() -> None:
    """The parameters carry the REST specification's names."""
    match = match_route("DELETE", split_path("/api/hubs/h/groups/a%20b/connections/c"))
    assert match is not None
    assert match.names == {"hub": "h", "group": "a b", "connectionId": "c"}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/health", ["HEAD"]),
        ("/api/hubs/h/groups/g/connections/c", ["DELETE", "PUT"]),
        ("/api/hubs/h/permissions/p/connections/c", ["DELETE", "HEAD", "PUT"]),
        ("/api/hubs/h", []),
    ],
)
def test_methods_of_a_path(path: str, methods: list[str]) -> None:
    """A known path has methods, another one has none."""
    assert allowed_methods(split_path(path)) == methods


@pytest.mark.parametrize(
    ("operation", "first"),
    [
        ("SendToAll", "2021-10-01"),
        ("RemoveUserFromAllGroups", "2021-10-01"),
        ("RemoveConnectionFromAllGroups", "2022-11-01"),
        ("AddConnectionsToGroups", "2023-07-01"),
        ("RemoveConnectionsFromGroups", "2023-07-01"),
        ("ListConnectionsInGroup", "2024-12-01"),
    ],
)
def test_versions_of_an_operation(operation: str, first: str) -> None:
    """An operation is in the version that brought it, and in all later ones."""
    assert versions_of(operation) == API_VERSIONS[API_VERSIONS.index(first) :]
