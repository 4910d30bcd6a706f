"""The policy: which groups a caller gets, and what the caller may do in them.

`negotiate` asks it, and each event asks it again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from usher.door.callers import Caller
from usher.door.rules import JOIN, ROSTER, SEND, Rules
from usher.door.seal import Seal
from usher.errors import (
    BadEventError,
    BadRequestError,
    ForbiddenError,
    ForeignOriginError,
    TooLargeError,
)
from usher.names import GROUP_RULE, is_group_name
from usher.settings import Settings

# A forbidden group and a group that does not exist get the same answer.
NO_SUCH_GROUP = "There is no such group for this caller."


class Policy:
    """The rules of the policy file, and the settings that restrict them."""

    def __init__(self, settings: Settings, rules: Rules) -> None:
        self.settings, self.rules, self.seal = settings, rules, Seal(settings)

    def grant(self, caller: Caller, asked: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the groups of a new token, and its roles, to send to some of these groups only.

        Raises BadRequestError, ForbiddenError, TooLargeError.
        """
        if not all(map(is_group_name, asked)):
            raise BadRequestError(f"group must {GROUP_RULE}.", field="group")
        groups = list(dict.fromkeys(asked)) or [self.settings.default_group]
        if len(groups) > self.settings.most_groups:
            most = self.settings.most_groups
            raise TooLargeError(f"A token may have at most {most} groups.", field="group")
        rights = {group: self.rules.rights(caller, group) for group in groups}
        forbidden = [group for group in groups if JOIN not in rights[group]]
        if forbidden or not self._serves(groups):
            raise ForbiddenError(NO_SUCH_GROUP, field="group")
        return groups, [_send_role(group) for group in groups if SEND in rights[group]]

    def provision_roles(self, user_id: str | None, group: str) -> list[str]:
        """Return the roles of a token that a backend asks for. Raises ForbiddenError.

        The backend may add any connection to any group, but the token is for its user: it gets
        what `connect` admits, and what the user could get from `negotiate`.
        """
        if not self._serves([group]) or not self.rules.could_join(user_id, group):
            raise ForbiddenError("The policy does not allow this user here.", field="group")
        return self._possible_roles(user_id, [group])

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
        if len(groups) > self.settings.most_groups:
            raise BadEventError("The token has too many groups.")
        if not self._serves(groups):
            raise BadEventError("The token has a group that this app does not serve.")
        if not all(self.rules.could_join(user_id, group) for group in groups):
            raise BadEventError("The policy no longer allows a group of the token.")
        return groups

    def keep_roles(
        self, user_id: str | None, groups: Sequence[str], token_roles: Sequence[str]
    ) -> list[str]:
        """Return the roles of the token that the policy still allows in the admitted groups.

        Only `negotiate` knows the caller's claims, so a role that it did not grant stays out.
        """
        return [role for role in self._possible_roles(user_id, groups) if role in token_roles]

    def groups_of(
        self, connection_id: str, user_id: str | None, states: Mapping[str, Any]
    ) -> list[str]:
        """Return the groups of a connection that the policy still allows. Raises BadEventError."""
        if self.settings.single_group:
            groups = [self.settings.default_group]
        else:
            groups = self.seal.read(connection_id, user_id, states)
        allowed = [group for group in groups if self.rules.could_join(user_id, group)]
        if not allowed:
            raise BadEventError("The policy allows no group of the connection to its user.")
        if len(groups) > self.settings.most_groups:
            raise BadEventError("The connection state has too many groups.")
        return allowed

    def _possible_roles(self, user_id: str | None, groups: Sequence[str]) -> list[str]:
        # A message of a client without a user looks like the app's own: both have no sender.
        if user_id is None:
            return []
        return [_send_role(group) for group in groups if self.rules.could_send(user_id, group)]

    def _serves(self, groups: Sequence[str]) -> bool:
        return not self.settings.single_group or list(groups) == [self.settings.default_group]


def _send_role(group: str) -> str:
    return f"webpubsub.sendToGroup.{group}"
