"""routes.py: route templates, and the search for the template that matches."""

import pytest

from localdev.host.errors import HostError
from localdev.host.routes import match_route, order_routes, read_route

ROUTES = order_routes(
    [
        read_route("any_room", "api/rooms/{room}", ["GET"]),
        read_route("lobby", "api/rooms/lobby", ["get"]),
        read_route("post_room", "api/rooms/{room}", ["POST"]),
        read_route("seat", "api/rooms/{room}/seats/{seat?}", []),
        read_route("root", "", ["GET"]),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/rooms/blue", ("any_room", {"room": "blue"})),
        ("GET", "/API/Rooms/Lobby/", ("lobby", {})),
        ("POST", "/api/rooms/lobby", ("post_room", {"room": "lobby"})),
        ("PUT", "/api/rooms/blue/seats", ("seat", {"room": "blue"})),
        ("GET", "/api/rooms/blue/seats/7", ("seat", {"room": "blue", "seat": "7"})),
        ("GET", "/api/rooms/a%20b%2Fc", ("any_room", {"room": "a b%2Fc"})),
        ("GET", "/", ("root", {})),
        ("PUT", "/api/rooms/blue", None),
        ("GET", "/api/rooms", None),
        ("GET", "/api/rooms/blue/seats/7/8", None),
    ],
)
def test_matching(method: str, path: str, expected: tuple[str, dict[str, str]] | None) -> None:
    """Literals are case-insensitive and win; a method that is not listed does not match."""
    match = match_route(ROUTES, method, path)
    assert (match and (match[0].function_name, match[1])) == expected


@pytest.mark.parametrize("path", ["{id:int}", "{*rest}", "{x=1}", "a-{b}", "{a", "{a?}/b"])
def test_unsupported_templates(path: str) -> None:
    """Only plain and optional parameters are allowed; the error names the function."""
    with pytest.raises(HostError, match="the route of sample"):
        read_route("sample", path, [])
