"""routes.py and constraints.py: route templates, and the search for the first that matches."""

import pytest

from localdev.host.errors import StartError
from localdev.host.routes import match_route, read_route

ROUTES = [
    read_route("any_room", "api/rooms/{room}", ["GET"]),
    read_route("lobby", "api/rooms/lobby", ["get", "PUT"]),
    read_route("never", "api/rooms/{room}", []),
    read_route("post_room", "api/rooms/{room}", ["POST"]),
    read_route("seat", "api/rooms/{room}/seats/{seat?}", None),
]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/rooms/lobby", ("any_room", {"room": "lobby"})),
        ("PUT", "/API/Rooms/Lobby/", ("lobby", {})),
        ("POST", "/api/rooms/lobby", ("post_room", {"room": "lobby"})),
        ("PUT", "/api/rooms/blue/seats", ("seat", {"room": "blue"})),
        ("GET", "/api/rooms/blue/seats/7", ("seat", {"room": "blue", "seat": "7"})),
        ("GET", "/api/rooms/a b%2Fc", ("any_room", {"room": "a b%2Fc"})),
        ("PUT", "/api/rooms/blue", None),
        ("GET", "/api/rooms", None),
        ("GET", "/api//rooms/blue", None),
        ("GET", "/api/rooms/blue//", None),
        ("GET", "/api/rooms/blue/seats/7/8", None),
    ],
)
def test_matching(method: str, path: str, expected: tuple[str, dict[str, str]] | None) -> None:
    """The first route wins, without precedence; a method that is not listed does not match."""
    match = match_route(ROUTES, method, path)
    assert (match and (match[0].function_name, match[1])) == expected


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("{*rest}", "/", {}),
        ("a/{*rest}", "/a", {}),
        ("a/{**rest}", "/a/b//c/", {"rest": "b//c/"}),
        ("a/{*rest}", "/a//b", None),
        ("a/{x=one}/{y?}", "/a", {"x": "one"}),
        ("a/{x=one}/{y?}", "/a/b/c", {"x": "b", "y": "c"}),
        ("{a?}/b", "/b", None),
        ("{a?}/b", "/a/b", {"a": "a"}),
        ("{a}-{b}", "/1-2-3", {"a": "1-2", "b": "3"}),
        ("{name}.{extension?}", "/a.b.c", {"name": "a.b", "extension": "c"}),
        ("{name}.{extension?}", "/a", {"name": "a"}),
        ("{name}.{extension?}", "/a.", None),
        ("{a:int?}", "/", {}),
        ("{a:int:max(9)=5}", "/", {"a": "5"}),
        ("{a:int:max(9)=5}", "/10", None),
    ],
)
def test_templates(template: str, path: str, expected: dict[str, str] | None) -> None:
    """Parameters may have defaults, catch all, or be parts of a segment."""
    match = match_route([read_route("sample", template, None)], "GET", path)
    assert (match and match[1]) == expected


@pytest.mark.parametrize(
    ("constraint", "matching", "others"),
    [
        ("int", ["-5", "+5", "007", " 5", "2147483647"], ["2147483648", "5.0", "0x10", "²"]),
        ("long", ["2147483648"], ["9223372036854775808"]),
        ("alpha", ["aZ"], ["a1", "ä"]),
        ("bool", ["true", "False"], ["1"]),
        ("double", ["1", "-1.5", "1e5"], ["x"]),
        ("guid", ["0" * 32, "{01234567-89ab-cdef-0123-456789ABCDEF}"], ["0" * 31]),
        ("length(3)", ["abc"], ["ab", "abcd"]),
        ("length(1,2)", ["a", "ab"], ["abc"]),
        ("minlength(2)", ["ab", "abc"], ["a"]),
        ("maxlength(2)", ["a", "ab"], ["abc"]),
        ("min(2)", ["2"], ["1", "x"]),
        ("max(2)", ["2", "-9"], ["3"]),
        ("range(2,3)", ["2", "3"], ["1", "4"]),
        ("regex(^a:b$)", ["a:b", "A:B"], ["ab"]),
        ("required", ["a"], []),
    ],
)
def test_constraints(constraint: str, matching: list[str], others: list[str]) -> None:
    """A value that does not meet the constraint does not match."""
    routes = [read_route("sample", f"{{a:{constraint}}}", None)]
    for value in matching + others:
        assert (match_route(routes, "GET", f"/{value}") is not None) == (value in matching), value


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{a:color}", "unknown constraint `color`"),
        ("{a:length(x)}", "unknown constraint"),
        ("{a:length}", "unknown constraint"),
        ("{a", "cannot be parsed"),
        ("a}", "cannot be parsed"),
        ("a//b", "cannot be parsed"),
        ("{}", "cannot be parsed"),
    ],
)
def test_unusable_templates(template: str, fault: str) -> None:
    """A template that ASP.NET Core rejects stops the app; the error names the function."""
    with pytest.raises(StartError, match=f"the route of sample .*{fault}"):
        read_route("sample", template, [])
