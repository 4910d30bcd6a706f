"""The table of REST operations: one entry for each, and the search for the entry of a call.

A new operation is one entry here and one function in a module rest_*.py.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from webpubsub_emulator import (
    parameters,
    rest_connections,
    rest_groups,
    rest_messages,
    rest_service,
)
from webpubsub_emulator.calls import Handler
from webpubsub_emulator.parameters import Parameters, Query
from webpubsub_emulator.routes import Segments, parse_template, read_names, versions_since

METHODS = frozenset({"DELETE", "GET", "HEAD", "POST", "PUT"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the data plane. Raises ValueError if a part of it is unknown."""

    name: str
    method: str
    path: str  # below /api, as in the REST specification
    introduced: str  # the first api-version that has the operation
    read_parameters: Callable[[Query], Parameters]
    handler: Handler
    needs_token: bool = True  # without a token it is also spared by faults
    template: Segments = field(init=False)
    versions: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"{self.name} has the unknown method {self.method}.")
        object.__setattr__(self, "template", parse_template(self.path))
        object.__setattr__(self, "versions", versions_since(self.introduced))


@dataclass(frozen=True, slots=True)
class Match:
    """The operation that a call asks for, and the decoded names in its path."""

    operation: Operation
    names: dict[str, str]


class Router:
    """Finds the operation of a call. Raises ValueError if two operations share name or path."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._operations = tuple(operations)
        self._candidates: defaultdict[tuple[str, int], list[Operation]] = defaultdict(list)
        for operation in self._operations:
            self._candidates[operation.method, len(operation.template)].append(operation)
        _require_unique(operation.name for operation in self._operations)
        _require_unique(f"{one.method} {one.path}" for one in self._operations)

    def match(self, method: str, segments: Segments) -> Match | None:
        """Return the operation for a method and a path, or None if there is none."""
        for operation in self._candidates.get((method, len(segments)), ()):
            names = read_names(operation.template, segments)
            if names is not None:
                return Match(operation, names)
        return None

    def allowed_methods(self, segments: Segments) -> list[str]:
        """Return the methods of the operations with this path: none for an unknown path."""
        fitting = (
            one for one in self._operations if read_names(one.template, segments) is not None
        )
        return [operation.method for operation in fitting]


def _require_unique(texts: Iterable[str]) -> None:
    seen = set[str]()
    for text in texts:
        if text in seen:
            raise ValueError(f"{text} is in the table twice.")
        seen.add(text)


# Every operation of the REST specification 2024-12-01 (routes.tsp).
OPERATIONS = (
    Operation("GetServiceStatus", "HEAD", "health", "2021-10-01",
              parameters.read_nothing, rest_service.get_service_status, needs_token=False),
    Operation("AddConnectionsToGroups", "POST", "hubs/{hub}/:addToGroups", "2023-07-01",
              parameters.read_nothing, rest_groups.add_connections_to_groups),
    Operation("CloseAllConnections", "POST", "hubs/{hub}/:closeConnections", "2021-10-01",
              parameters.read_close, rest_connections.close_all_connections),
    Operation("GenerateClientToken", "POST", "hubs/{hub}/:generateToken", "2021-10-01",
              parameters.read_token, rest_service.generate_client_token),
    Operation("RemoveConnectionsFromGroups", "POST", "hubs/{hub}/:removeFromGroups", "2023-07-01",
              parameters.read_nothing, rest_groups.remove_connections_from_groups),
    Operation("SendToAll", "POST", "hubs/{hub}/:send", "2021-10-01",
              parameters.read_send, rest_messages.send_to_all),
    Operation("CloseConnection", "DELETE", "hubs/{hub}/connections/{connectionId}", "2021-10-01",
              parameters.read_close_connection, rest_connections.close_connection),
    Operation("ConnectionExists", "HEAD", "hubs/{hub}/connections/{connectionId}", "2021-10-01",
              parameters.read_nothing, rest_connections.connection_exists),
    Operation("SendToConnection", "POST", "hubs/{hub}/connections/{connectionId}/:send",
              "2021-10-01",
              parameters.read_send_to_connection, rest_messages.send_to_connection),
    Operation("RemoveConnectionFromAllGroups", "DELETE",
              "hubs/{hub}/connections/{connectionId}/groups", "2022-11-01",
              parameters.read_nothing, rest_groups.remove_connection_from_all_groups),
    Operation("GroupExists", "HEAD", "hubs/{hub}/groups/{group}", "2021-10-01",
              parameters.read_nothing, rest_connections.group_exists),
    Operation("CloseGroupConnections", "POST", "hubs/{hub}/groups/{group}/:closeConnections",
              "2021-10-01",
              parameters.read_close, rest_connections.close_group_connections),
    Operation("SendToGroup", "POST", "hubs/{hub}/groups/{group}/:send", "2021-10-01",
              parameters.read_send, rest_messages.send_to_group),
    Operation("ListConnectionsInGroup", "GET", "hubs/{hub}/groups/{group}/connections",
              "2024-12-01",
              parameters.read_list, rest_groups.list_connections_in_group),
    Operation("RemoveConnectionFromGroup", "DELETE",
              "hubs/{hub}/groups/{group}/connections/{connectionId}", "2021-10-01",
              parameters.read_nothing, rest_groups.remove_connection_from_group),
    Operation("AddConnectionToGroup", "PUT",
              "hubs/{hub}/groups/{group}/connections/{connectionId}", "2021-10-01",
              parameters.read_nothing, rest_groups.add_connection_to_group),
    Operation("RevokePermission", "DELETE",
              "hubs/{hub}/permissions/{permission}/connections/{connectionId}", "2021-10-01",
              parameters.read_permission, rest_connections.revoke_permission),
    Operation("CheckPermission", "HEAD",
              "hubs/{hub}/permissions/{permission}/connections/{connectionId}", "2021-10-01",
              parameters.read_permission, rest_connections.check_permission),
    Operation("GrantPermission", "PUT",
              "hubs/{hub}/permissions/{permission}/connections/{connectionId}", "2021-10-01",
              parameters.read_permission, rest_connections.grant_permission),
    Operation("UserExists", "HEAD", "hubs/{hub}/users/{userId}", "2021-10-01",
              parameters.read_nothing, rest_connections.user_exists),
    Operation("CloseUserConnections", "POST", "hubs/{hub}/users/{userId}/:closeConnections",
              "2021-10-01",
              parameters.read_close, rest_connections.close_user_connections),
    Operation("SendToUser", "POST", "hubs/{hub}/users/{userId}/:send", "2021-10-01",
              parameters.read_send_to_user, rest_messages.send_to_user),
    Operation("RemoveUserFromAllGroups", "DELETE", "hubs/{hub}/users/{userId}/groups",
              "2021-10-01",
              parameters.read_nothing, rest_groups.remove_user_from_all_groups),
    Operation("RemoveUserFromGroup", "DELETE", "hubs/{hub}/users/{userId}/groups/{group}",
              "2021-10-01",
              parameters.read_nothing, rest_groups.remove_user_from_group),
    Operation("AddUserToGroup", "PUT", "hubs/{hub}/users/{userId}/groups/{group}", "2021-10-01",
              parameters.read_nothing, rest_groups.add_user_to_group),
)  # fmt: skip

ROUTER = Router(OPERATIONS)
