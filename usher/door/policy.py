"""Which groups a caller gets and what it may do there: asked by negotiate, again by each event."""

from collections.abc import Mapping, Sequence
from typing import Any

from usher.door.callers import Caller
from usher.door.rules import JOIN, ROSTER, SEND, Rules
from usher.errors import BadEventError, BadRequestError, ForbiddenError
from usher.settings import GROUP_RULE, Settings, is_group_name

# The key under which `connect` leaves the groups in the connection's state.
GROUPS_STATE = "groups"
# The same words for a group that is forbidden and for one that nobody ever heard of.
NOT_FOR_YOU = "There is no such group for this caller."


def grant_groups(
    settings: Settings, rules: Rules, caller: Caller, wanted: Sequence[str]
) -> list[str]:
    """The groups of a new token. Raises BadRequestError, ForbiddenError."""
    if not all(is_group_name(group) for group in wanted):
        raise BadRequestError(f"group must {GROUP_RULE}.", field="group")
    groups = list(dict.fromkeys(wanted)) or [settings.default_group]
    is_served = not settings.single_group or groups == [settings.default_group]
    if not is_served or not all(JOIN in rules.rights(caller, group) for group in groups):
        raise ForbiddenError(NOT_FOR_YOU, field="group")
    return groups


def grant_roles(rules: Rules, caller: Caller, groups: Sequence[str]) -> list[str]:
    """Roles to send to exactly these groups, where allowed; never a bare or a wildcard role."""
    return [
        f"webpubsub.sendToGroup.{group}" for group in groups if SEND in rules.rights(caller, group)
    ]


def provision_roles(settings: Settings, rules: Rules, user_id: str | None, group: str) -> list[str]:
    """The roles of a token that an administrator asks for. Raises ForbiddenError.

    Who holds the key may add any connection to any group, but the token is for somebody else: it
    gets what `connect` will admit, and what its user could have from negotiate.
    """
    is_served = not settings.single_group or group == settings.default_group
    if not is_served or not rules.could_join(user_id, group):
        raise ForbiddenError("The policy lets no such user into this group.", field="group")
    return [f"webpubsub.sendToGroup.{group}"] if rules.could_send(user_id, group) else []


def check_roster(rules: Rules, caller: Caller, group: str) -> None:
    """Whether the caller may see who is in the group. Raises ForbiddenError."""
    if ROSTER not in rules.rights(caller, group):
        raise ForbiddenError(NOT_FOR_YOU, field="group")


def check_origins(settings: Settings, origins: Sequence[str]) -> None:
    """Whether the page that opens a connection may. Raises BadEventError.

    Clients that are no browser send no origin, or the service's own. In development any page may.
    """
    allowed = settings.allowed_origins | {settings.connection.endpoint}
    if settings.auth != "local" and not allowed.issuperset(map(str.lower, origins)):
        raise BadEventError("The page comes from an origin that is not allowed.")


def admit_groups(
    settings: Settings, rules: Rules, user_id: str | None, token_groups: Sequence[str]
) -> list[str]:
    """The groups of a connecting client, from its token. Raises BadEventError.

    The token tells the user and the groups, not the claims: what is asked is whether the user
    could still get these groups with the right claims.
    """
    groups = list(dict.fromkeys(token_groups))
    if not groups or not all(is_group_name(group) for group in groups):
        raise BadEventError("The token names no group to enter.")
    if settings.single_group and groups != [settings.default_group]:
        raise BadEventError("The token names a group that is not served here.")
    if not all(rules.could_join(user_id, group) for group in groups):
        raise BadEventError("The token names a group that its user may not enter any more.")
    return groups


def check_new_state(states: Mapping[str, Any]) -> None:
    """A connection that is being made has no state yet, or else Usher's own. BadEventError."""
    if states:
        _read_groups(states)


def groups_of(settings: Settings, states: Mapping[str, Any]) -> list[str]:
    """The groups that `connect` admitted this connection to. Raises BadEventError."""
    if settings.single_group:
        return [settings.default_group]
    if not states.get(GROUPS_STATE):
        raise BadEventError(
            "The connection has no state from `connect`. Does the hub's event handler send the "
            "connect event? If it is not meant to, set USHER_SINGLE_GROUP."
        )
    return _read_groups(states)


def _read_groups(states: Mapping[str, Any]) -> list[str]:
    groups = states.get(GROUPS_STATE)
    is_ours = isinstance(groups, list) and all(isinstance(group, str) for group in groups)
    if not is_ours or not groups or not all(map(is_group_name, groups)):
        raise BadEventError("The connection's state was not written by Usher.")
    return list(groups)
