"""The data plane's operations: their paths and versions. What they do is in rest.py."""

from dataclasses import dataclass
from urllib.parse import unquote

API_VERSIONS = ("2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01")

# REST specification 2024-12-01 (routes.tsp): every operation, below /api.
_OPERATIONS = (
    ("GetServiceStatus", "HEAD", "health"),
    ("AddConnectionsToGroups", "POST", "hubs/{hub}/:addToGroups"),
    ("CloseAllConnections", "POST", "hubs/{hub}/:closeConnections"),
    ("GenerateClientToken", "POST", "hubs/{hub}/:generateToken"),
    ("RemoveConnectionsFromGroups", "POST", "hubs/{hub}/:removeFromGroups"),
    ("SendToAll", "POST", "hubs/{hub}/:send"),
    ("CloseConnection", "DELETE", "hubs/{hub}/connections/{connectionId}"),
    ("ConnectionExists", "HEAD", "hubs/{hub}/connections/{connectionId}"),
    ("SendToConnection", "POST", "hubs/{hub}/connections/{connectionId}/:send"),
    ("RemoveConnectionFromAllGroups", "DELETE", "hubs/{hub}/connections/{connectionId}/groups"),
    ("GroupExists", "HEAD", "hubs/{hub}/groups/{group}"),
    ("CloseGroupConnections", "POST", "hubs/{hub}/groups/{group}/:closeConnections"),
    ("SendToGroup", "POST", "hubs/{hub}/groups/{group}/:send"),
    ("ListConnectionsInGroup", "GET", "hubs/{hub}/groups/{group}/connections"),
    (
        "RemoveConnectionFromGroup",
        "DELETE",
        "hubs/{hub}/groups/{group}/connections/{connectionId}",
    ),
    ("AddConnectionToGroup", "PUT", "hubs/{hub}/groups/{group}/connections/{connectionId}"),
    (
        "RevokePermission",
        "DELETE",
        "hubs/{hub}/permissions/{permission}/connections/{connectionId}",
    ),
    ("CheckPermission", "HEAD", "hubs/{hub}/permissions/{permission}/connections/{connectionId}"),
    ("GrantPermission", "PUT", "hubs/{hub}/permissions/{permission}/connections/{connectionId}"),
    ("UserExists", "HEAD", "hubs/{hub}/users/{userId}"),
    ("CloseUserConnections", "POST", "hubs/{hub}/users/{userId}/:closeConnections"),
    ("SendToUser", "POST", "hubs/{hub}/users/{userId}/:send"),
    ("RemoveUserFromAllGroups", "DELETE", "hubs/{hub}/users/{userId}/groups"),
    ("RemoveUserFromGroup", "DELETE", "hubs/{hub}/users/{userId}/groups/{group}"),
    ("AddUserToGroup", "PUT", "hubs/{hub}/users/{userId}/groups/{group}"),
)
_ROUTES = tuple((name, method, ("", "api", *path.split("/"))) for name, method, path in _OPERATIONS)
# The first version of each operation that is younger than the first version of all.
_INTRODUCED = {
    "RemoveConnectionFromAllGroups": "2022-11-01",
    "AddConnectionsToGroups": "2023-07-01",
    "RemoveConnectionsFromGroups": "2023-07-01",
    "ListConnectionsInGroup": "2024-12-01",
}


@dataclass(frozen=True, slots=True)
class Match:
    """The operation that a call names, and the decoded names in its path."""

    operation: str
    names: dict[str, str]


def split_path(raw_path: str) -> tuple[str, ...]:
    """The segments of a path as it was sent, each decoded the service's way.

    An encoded slash stays encoded (reference-rest-api-data-plane says that it cannot be
    addressed), so %2F and %252F name the same thing. A plus is a plus.
    """
    kept = raw_path.replace("%2F", "%252F").replace("%2f", "%252f")
    return tuple(unquote(segment) for segment in kept.split("/"))


def match_route(method: str, segments: tuple[str, ...]) -> Match | None:
    """The operation for a method and a path; None if there is none."""
    for operation, its_method, template in _ROUTES:
        if its_method == method:
            names = _names(template, segments)
            if names is not None:
                return Match(operation, names)
    return None


def allowed_methods(segments: tuple[str, ...]) -> list[str]:
    """The methods that the path has operations for; none for an unknown path."""
    return [method for _, method, template in _ROUTES if _names(template, segments) is not None]


def versions_of(operation: str) -> tuple[str, ...]:
    """The api-versions that have the operation, oldest first."""
    introduced = _INTRODUCED.get(operation, API_VERSIONS[0])
    return tuple(version for version in API_VERSIONS if version >= introduced)


def _names(template: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    names = {}
    for part, segment in zip(template, segments, strict=True):
        if part.startswith("{"):
            names[part.strip("{}")] = segment
        elif part != segment:
            return None
    return names
