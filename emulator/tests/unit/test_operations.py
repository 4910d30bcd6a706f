"""Tests of operations.py."""

from dataclasses import replace
from typing import Any

import pytest

from webpubsub_emulator.operations import OPERATIONS, ROUTER, Operation, Router
from webpubsub_emulator.parameters import read_nothing
from webpubsub_emulator.rest_service import get_service_status
from webpubsub_emulator.routes import API_VERSIONS, split_path

BY_NAME = {operation.name: operation for operation in OPERATIONS}


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("HEAD", "/api/health", "GetServiceStatus"),
        ("POST", "/api/hubs/h/:send", "SendToAll"),
        ("POST", "/api/hubs/h/%3Asend", "SendToAll"),
        ("PUT", "/api/hubs/h/groups/g/connections/c", "AddConnectionToGroup"),
        ("PUT", "/api/hubs/h/users/u/groups/g", "AddUserToGroup"),
        ("GET", "/api/hubs/h/:send", None),
        ("POST", "/api/hubs/h/:send/", "SendToAll"),
        ("POST", "/api/hubs/h/:send//", None),
        ("POST", "/api/hubs/h/groups/g/x/:send", None),
        ("GET", "/", None),
    ],
)
def test_method_and_path_give_one_operation_or_none(
    method: str, path: str, operation: str | None
) -> None:
    match = ROUTER.match(method, split_path(path))
    assert (match and match.operation.name) == operation


def test_names_in_paths() -> None:
    """The names in a path have the REST specification's keys."""
    match = ROUTER.match("DELETE", split_path("/api/hubs/h/groups/a%20b/connections/c"))
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
def test_a_known_path_has_methods(path: str, methods: list[str]) -> None:
    assert ROUTER.allowed_methods(split_path(path)) == methods


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
def test_an_operation_is_in_all_versions_from_its_first_one(operation: str, first: str) -> None:
    assert BY_NAME[operation].versions == API_VERSIONS[API_VERSIONS.index(first) :]


def test_only_the_service_status_needs_no_token() -> None:
    assert [one.name for one in OPERATIONS if not one.needs_token] == ["GetServiceStatus"]


GOOD = Operation("Good", "GET", "good/{hub}", "2021-10-01", read_nothing, get_service_status)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"method": "PATCH"}, "unknown method PATCH"),
        ({"path": "hubs/{hob}"}, "Unknown names in the path hubs/{hob}: hob"),
        ({"introduced": "2020-01-01"}, "not in tuple"),
    ],
)
def test_an_unknown_part_is_an_error(change: dict[str, Any], error: str) -> None:
    """The table is built at import, so a mistake in it stops the emulator from starting."""
    with pytest.raises(ValueError, match=error):
        replace(GOOD, **change)


@pytest.mark.parametrize("part", ["name", "method", "path", "introduced", "handler"])
def test_a_missing_part_is_an_error(part: str) -> None:
    fields = ("name", "method", "path", "introduced", "read_parameters", "handler")
    parts = {name: getattr(GOOD, name) for name in fields if name != part}
    with pytest.raises(TypeError, match=part):
        Operation(**parts)


@pytest.mark.parametrize("change", [{"name": "Other"}, {"path": "other"}])
def test_names_and_paths_are_unique(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="in the table twice"):
        Router([GOOD, replace(GOOD, **change)])
