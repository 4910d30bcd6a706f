"""REST paths: how they are split and compared with an operation's path, and the api-versions."""

from typing import TypeAlias
from urllib.parse import unquote

API_VERSIONS = ("2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01")

# The names that the REST specification 2024-12-01 gives to the variable segments of its paths.
PATH_NAMES = frozenset({"hub", "group", "connectionId", "userId", "permission"})

Segments: TypeAlias = tuple[str, ...]


def split_path(raw_path: str) -> Segments:
    """Return the segments of a path as it was sent, each decoded as the service decodes it.

    One slash at the end is ignored, as by the routing of ASP.NET Core. An encoded slash stays
    encoded (reference-rest-api-data-plane: a name with a slash cannot be addressed), so %2F and
    %252F give the same name. A plus stays a plus.
    """
    kept = raw_path.removesuffix("/").replace("%2F", "%252F").replace("%2f", "%252f")
    return tuple(unquote(segment) for segment in kept.split("/"))


def parse_template(path: str) -> Segments:
    """Return the segments of an operation's path, which is relative to /api.

    Raises ValueError for a variable segment that is not in PATH_NAMES.
    """
    segments = ("", "api", *path.split("/"))
    names = {segment.strip("{}") for segment in segments if segment.startswith("{")}
    unknown = sorted(names - PATH_NAMES)
    if unknown:
        raise ValueError(f"Unknown names in the path {path}: {', '.join(unknown)}.")
    return segments


def read_names(template: Segments, segments: Segments) -> dict[str, str] | None:
    """Return the names in a path that fits the template, or None if it does not fit."""
    if len(template) != len(segments):
        return None
    names = {}
    for part, segment in zip(template, segments, strict=True):
        if part.startswith("{"):
            names[part[1:-1]] = segment
        elif part != segment:
            return None
    return names


def versions_since(introduced: str) -> tuple[str, ...]:
    """Return the api-versions from this one on, oldest first. Raises ValueError if unknown."""
    return API_VERSIONS[API_VERSIONS.index(introduced) :]
