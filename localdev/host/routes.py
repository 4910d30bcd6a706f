"""Route templates of HTTP functions, and the search for the template that matches a path.

Source: azure-functions-host ScriptRouteHandler.cs over the routing of ASP.NET Core.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from localdev.host.errors import HostError

PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(\?)?\}")


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a template: a literal, or a parameter's name."""

    text: str
    is_parameter: bool = False
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """The path and the methods of one function; no ``methods`` means any."""

    function_name: str
    path: str
    segments: tuple[Segment, ...]
    methods: frozenset[str]


def read_route(function_name: str, path: str, methods: Iterable[str]) -> Route:
    """Parse a template such as ``rooms/{room}/{seat?}``.

    Constraints, defaults and catch-all parameters raise HostError.
    """
    # Differs from Azure: {id:int}, {*rest}, {x=1} and {a}-{b} are rejected at start.
    parts = [part for part in path.split("/") if part]
    segments = tuple(_read_segment(part, function_name) for part in parts)
    if any(part.is_optional for part in segments[:-1]):
        raise HostError(f"the route of {function_name}: only its last parameter may be optional")
    return Route(function_name, path, segments, frozenset(method.upper() for method in methods))


def order_routes(routes: Iterable[Route]) -> list[Route]:
    """Return the routes in the order of their search: literals win over parameters."""
    return sorted(routes, key=_by_precedence)


def match_route(
    routes: Sequence[Route], method: str, raw_path: str
) -> tuple[Route, dict[str, str]] | None:
    """Return the first of the ordered routes that matches a request, and its parameters.

    A method that is not listed does not match, so the response is 404, not 405.
    """
    parts = [_decode(part) for part in raw_path.split("/") if part]
    for route in routes:
        if route.methods and method not in route.methods:
            continue
        parameters = _match_segments(route.segments, parts)
        if parameters is not None:
            return route, parameters
    return None


def _read_segment(part: str, function_name: str) -> Segment:
    if match := PARAMETER.fullmatch(part):
        return Segment(match[1], is_parameter=True, is_optional=bool(match[2]))
    if "{" in part or "}" in part:
        raise HostError(
            f"the route of {function_name}: `{part}` is not supported by the local host; "
            "use {name} or {name?}"
        )
    return Segment(part)


def _by_precedence(route: Route) -> list[tuple[bool, bool]]:
    return [(segment.is_parameter, segment.is_optional) for segment in route.segments]


def _match_segments(segments: Sequence[Segment], parts: Sequence[str]) -> dict[str, str] | None:
    required = sum(not segment.is_optional for segment in segments)
    if not required <= len(parts) <= len(segments):
        return None
    parameters = {}
    for segment, part in zip(segments, parts, strict=False):
        if segment.is_parameter:
            parameters[segment.text] = part
        elif segment.text.lower() != part.lower():
            return None
    return parameters


def _decode(part: str) -> str:
    # Kestrel does not decode %2F, which would then look like the separator.
    return unquote(re.sub("%2f", "%252F", part, flags=re.IGNORECASE))
