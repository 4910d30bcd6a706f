"""Which groups a caller gets and what it may do there: asked by negotiate, again by each event."""

from collections.abc import Mapping, Sequence
from typing import Any

from usher.callers import Caller
from usher.errors import BadEventError, BadRequestError, ForbiddenError
from usher.settings import GROUP_RULE, Settings, is_group_name

# The key under which `connect` leaves the groups in the connection's state.
GROUPS_STATE = "groups"


def grant_groups(settings: Settings, caller: Caller, wanted: Sequence[str]) -> list[str]:
    """The groups of a new token. Raises BadRequestError, ForbiddenError."""
    if not all(is_group_name(group) for group in wanted):
        raise BadRequestError(f"group must {GROUP_RULE}.", field="group")
    if settings.single_group and set(wanted) - {settings.default_group}:
        raise ForbiddenError(f"{caller.user_id} may not enter that group.", field="group")
    return list(dict.fromkeys(wanted)) or [settings.default_group]


def roles_in(groups: Sequence[str]) -> list[str]:
    """Roles to send to exactly these groups, never a bare or a wildcard role."""
    return [f"webpubsub.sendToGroup.{group}" for group in groups]


def check_origins(settings: Settings, origins: Sequence[str]) -> None:
    """Whether the page that opens a connection may. Raises BadEventError.

    Clients that are no browser send no origin, or the service's own. In development any page may.
    """
    allowed = settings.allowed_origins | {settings.connection.endpoint}
    if settings.auth != "local" and not allowed.issuperset(map(str.lower, origins)):
        raise BadEventError("The page comes from an origin that is not allowed.")


def admit_groups(settings: Settings, token_groups: Sequence[str]) -> list[str]:
    """The groups of a connecting client, from its token. Raises BadEventError."""
    groups = list(dict.fromkeys(token_groups))
    if not groups or not all(is_group_name(group) for group in groups):
        raise BadEventError("The token names no group to enter.")
    if settings.single_group and groups != [settings.default_group]:
        raise BadEventError("The token names a group that is not served here.")
    return groups


def groups_of(settings: Settings, states: Mapping[str, Any]) -> list[str]:
    """The groups that `connect` admitted this connection to. Raises BadEventError."""
    if settings.single_group:
        return [settings.default_group]
    groups = states.get(GROUPS_STATE)
    if not isinstance(groups, list) or not groups:
        raise BadEventError(
            "The connection has no state from `connect`. Does the hub's event handler send the "
            "connect event? If it is not meant to, set USHER_SINGLE_GROUP."
        )
    if not all(isinstance(group, str) and is_group_name(group) for group in groups):
        raise BadEventError("The connection's state was not written by Usher.")
    return groups
