"""Route templates of HTTP functions, and the search for the first one that matches a path.

Sources: azure-functions-host WebScriptHostHttpRoutesManager.cs over the routing of ASP.NET Core
(RoutePatternParser.cs, RoutePatternMatcher.cs); recordings of the host.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from localdev.host.constraints import Constraint, UnknownConstraintError, read_constraint
from localdev.host.errors import StartError

SEGMENT = re.compile(r"(?:[^/{}]|\{[^{}]*\})+")
PART = re.compile(r"\{([^{}]*)\}|([^{}]+)")
# Groups: catch-all, name, constraints, default, optional.
PARAMETER = re.compile(r"(\*{0,2})([^*:=?/]+)((?::[^:=?(]+(?:\(.*?\))?)*)(?:=(.*))?(\?)?")
CONSTRAINT = re.compile(r":([^:(]+(?:\(.*?\))?)(?=:|$)")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a template. If the path has no value for it, it has its default or none."""

    name: str
    is_catch_all: bool
    constraints: tuple[Constraint, ...]
    default: str | None
    is_optional: bool

    @property
    def may_be_missing(self) -> bool:
        """Whether the template matches a path that ends before the parameter."""
        return self.is_catch_all or self.is_optional or self.default is not None


@dataclass(frozen=True, slots=True)
class Route:
    """The path and the methods of one function; ``None`` means any method."""

    function_name: str
    path: str
    methods: frozenset[str] | None
    pattern: re.Pattern[str]
    parameters: tuple[Parameter, ...]


def read_route(function_name: str, path: str, methods: Collection[str] | None) -> Route:
    """Parse a template such as ``rooms/{room:int}/{*rest}``.

    A template that ASP.NET Core cannot parse raises StartError.
    """
    try:
        segments = [_read_segment(text) for text in _split(path)]
    except UnknownConstraintError as error:
        raise StartError(
            f"the route of {function_name} has the unknown constraint `{error}`"
        ) from None
    except ValueError as error:
        raise StartError(f"the route of {function_name} cannot be parsed: {error}") from None
    allowed = None if methods is None else frozenset(method.upper() for method in methods)
    parameters = [part for parts in segments for part in parts if isinstance(part, Parameter)]
    pattern = re.compile(_write_pattern(segments), re.IGNORECASE | re.DOTALL)
    return Route(function_name, path, allowed, pattern, tuple(parameters))


def match_route(
    routes: Iterable[Route], method: str, path: str
) -> tuple[Route, dict[str, str]] | None:
    """Return the first route that matches a decoded path, and its parameters.

    A method that is not listed does not match, so the response is 404, not 405.
    """
    for route in routes:
        if route.methods is None or method in route.methods:
            match = route.pattern.fullmatch(path)
            values = None if match is None else _read_values(route.parameters, match.groups())
            if values is not None:
                return route, values
    return None


def _split(path: str) -> list[str]:
    segments = SEGMENT.findall(path)
    if "/".join(segments) != path.removesuffix("/"):
        raise ValueError("its braces or slashes are not in pairs")
    return segments


def _read_segment(text: str) -> list[Parameter | str]:
    return [
        literal if literal else _read_parameter(parameter)
        for parameter, literal in PART.findall(text)
    ]


def _read_parameter(text: str) -> Parameter:
    match = PARAMETER.fullmatch(text)
    if match is None:
        raise ValueError(f"`{{{text}}}` is no parameter")
    stars, name, constraints, default, optional = match.groups()
    checks = tuple(read_constraint(each) for each in CONSTRAINT.findall(constraints))
    return Parameter(name, bool(stars), checks, default, bool(optional))


def _write_pattern(segments: Sequence[Sequence[Parameter | str]]) -> str:
    pattern = "/?"
    may_end = True
    for parts in reversed(segments):
        may_end = may_end and _may_be_missing(parts)
        if _is_catch_all(parts[0]):
            pattern = "(?:/(?:([^/].*))?)?"
        elif may_end:
            pattern = f"(?:/([^/]+){pattern}|/?)"
        else:
            pattern = f"/{_write_segment(parts)}{pattern}"
    return pattern


def _may_be_missing(parts: Sequence[Parameter | str]) -> bool:
    first = parts[0]
    return len(parts) == 1 and isinstance(first, Parameter) and first.may_be_missing


def _is_catch_all(part: Parameter | str) -> bool:
    return isinstance(part, Parameter) and part.is_catch_all


def _write_segment(parts: Sequence[Parameter | str]) -> str:
    # An optional extension, as in {name}.{extension?}: without a value, the dot goes, too.
    last = parts[-1]
    if len(parts) > 2 and isinstance(last, Parameter) and last.is_optional and parts[-2] == ".":
        return f"{_write_parts(parts[:-2], '([^/]+?)')}(?:\\.([^/.]+))?(?<!\\.)"
    return _write_parts(parts, "([^/]+)")


def _write_parts(parts: Sequence[Parameter | str], group: str) -> str:
    return "".join(re.escape(part) if isinstance(part, str) else group for part in parts)


def _read_values(
    parameters: Sequence[Parameter], found: Sequence[str | None]
) -> dict[str, str] | None:
    values = {}
    for parameter, value in zip(parameters, found, strict=True):
        if value is not None and not all(check(value) for check in parameter.constraints):
            return None
        value = parameter.default if value is None else value
        if value is not None:
            values[parameter.name] = value
    return values
