"""What a connection may do with groups, read from its roles."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Action = Literal["joinLeaveGroup", "sendToGroup"]


@dataclass(frozen=True, slots=True)
class Permissions:
    """The group actions that a connection's roles allow."""

    roles: frozenset[str]

    @classmethod
    def from_roles(cls, roles: Iterable[str]) -> "Permissions":
        """Roles as in a client token (concept-client-protocols, "Permissions")."""
        # Differs from Azure: wildcard roles (joinLeaveGroups., sendToGroups.) grant nothing.
        return cls(frozenset(roles))

    def allow(self, action: Action, group: str) -> bool:
        """Whether a bare role (any group) or a role for exactly this group is held."""
        return f"webpubsub.{action}" in self.roles or f"webpubsub.{action}.{group}" in self.roles
