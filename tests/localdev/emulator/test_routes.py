"""Tests of localdev/emulator/routes.py."""

import pytest

from localdev.emulator.routes import match_route, split_path


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
