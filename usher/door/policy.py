"""The policy: which groups a caller gets, and what the caller may do in them.

`negotiate` asks it, and each event asks it again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from usher.door.callers import Caller
from usher.door.rules import JOIN, ROSTER, SEND, Rules
from usher.errors import BadEventError, BadRequestError, ForbiddenError, ForeignOriginError
from usher.names import GROUP_RULE, is_group_name
from usher.settings import Settings

# The key of the groups in the connection state that `connect` returns.
GROUPS_STATE = "groups"
# A forbidden group and a group that does not exist get the same answer.
NO_SUCH_GROUP = "There is no such group for this caller."


class Policy:
    """The rules of the policy file, and the settings that restrict them."""

    def __init__(self, settings: Settings, rules: Rules) -> None:
        self.settings, self.rules = settings, rules

    def grant_groups(self, caller: Caller, asked: Sequence[str]) -> list[str]:
        """Return the groups of a new token. Raises BadRequestError, ForbiddenError."""
        if not all(is_group_name(group) for group in asked):
            raise BadRequestError(f"group must {GROUP_RULE}.", field="group")
        groups = list(dict.fromkeys(asked)) or [self.settings.default_group]
        is_granted = all(JOIN in self.rules.rights(caller, group) for group in groups)
        if not self._serves(groups) or not is_granted:
            raise ForbiddenError(NO_SUCH_GROUP, field="group")
        return groups

    def grant_roles(self, caller: Caller, groups: Sequence[str]) -> list[str]:
        """Return the roles to send to exactly these groups; never a role for all groups."""
        return [_send_role(group) for group in groups if SEND in self.rules.rights(caller, group)]

    def provision_roles(self, user_id: str | None, group: str) -> list[str]:
        """Return the roles of a token that a backend asks for. Raises ForbiddenError.

        The backend may add any connection to any group, but the token is for its user: it gets
        what `connect` admits, and what the user could get from `negotiate`.
        """
        if not self._serves([group]) or not self.rules.could_join(user_id, group):
            raise ForbiddenError("The policy does not allow this user here.", field="group")
        return [_send_role(group)] if self.rules.could_send(user_id, group) else []

    def check_roster(self, caller: Caller, group: str) -> None:
        """Raise ForbiddenError if the caller may not see the members of the group."""
        if ROSTER not in self.rules.rights(caller, group):
            raise ForbiddenError(NO_SUCH_GROUP, field="group")

    def check_origins(self, origins: Sequence[str]) -> None:
        """Raise ForeignOriginError if a page of a foreign origin opens the connection.

        Clients other than browsers send no `Origin` header, or the service's own.
        """
        allowed = self.settings.allowed_origins | {self.settings.connection.endpoint}
        is_allowed = allowed.issuperset(map(str.lower, origins))
        if not is_allowed and not self.settings.mode.allows_any_origin:
            raise ForeignOriginError("The origin of the page is not allowed.")

    def admit(self, user_id: str | None, token_groups: Sequence[str]) -> list[str]:
        """Return the groups of a connecting client. Raises BadEventError.

        The token has the user and the groups, but not the caller's claims. So this checks whether
        the user could get these groups with some claims.
        """
        groups = list(dict.fromkeys(token_groups))
        if not groups or not all(is_group_name(group) for group in groups):
            raise BadEventError("The token has no valid group.")
        if not self._serves(groups):
            raise BadEventError("The token has a group that this app does not serve.")
        if not all(self.rules.could_join(user_id, group) for group in groups):
            raise BadEventError("The policy no longer allows a group of the token.")
        return groups

    def groups_of(self, states: Mapping[str, Any]) -> list[str]:
        """Return the groups that `connect` admitted this connection to. Raises BadEventError."""
        if self.settings.single_group:
            return [self.settings.default_group]
        if not states.get(GROUPS_STATE):
            raise BadEventError(
                "The connection has no state from `connect`. Does the hub's event handler send the "
                "connect event? If it should not, set USHER_SINGLE_GROUP."
            )
        return _read_groups(states)

    def _serves(self, groups: Sequence[str]) -> bool:
        return not self.settings.single_group or list(groups) == [self.settings.default_group]


def check_new_state(states: Mapping[str, Any]) -> None:
    """Raise BadEventError if a new connection has a state that Usher did not write."""
    if states:
        _read_groups(states)


def _send_role(group: str) -> str:
    return f"webpubsub.sendToGroup.{group}"


def _read_groups(states: Mapping[str, Any]) -> list[str]:
    groups = states.get(GROUPS_STATE)
    is_list = isinstance(groups, list) and all(isinstance(group, str) for group in groups)
    if not is_list or not groups or not all(map(is_group_name, groups)):
        raise BadEventError("The connection state was not written by Usher.")
    return list(groups)
