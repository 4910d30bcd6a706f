"""What a connection may do with groups, by its roles and by grants and revocations."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from webpubsub_emulator.group_patterns import GroupPattern, Wildcard, parse_pattern
from webpubsub_emulator.names import is_group_name

Action: TypeAlias = Literal["joinLeaveGroup", "sendToGroup", "getGroupState", "setGroupState"]
ACTIONS: tuple[Action, ...] = ("joinLeaveGroup", "sendToGroup")
# Actions of roles only, not of REST calls (the roles of Microsoft's chat SDKs). Inferred: they too
# have roles for one group and for the groups of a pattern.
STATE_ACTIONS: tuple[Action, ...] = ("getGroupState", "setGroupState")

# The names of actions in REST calls, in lower case: the name itself, or its number in the
# enumeration WebPubSubPermission of the official .NET client.
ACTIONS_BY_NAME: dict[str, Action] = {
    "sendtogroup": "sendToGroup",
    "1": "sendToGroup",
    "joinleavegroup": "joinLeaveGroup",
    "2": "joinLeaveGroup",
}

# The limits of one connection and one action.
LITERAL_LIMIT = 1_000  # groups with a rule of their own
PATTERN_LIMIT = 9  # patterns with wildcards; later ones, in the order of the roles, are ignored


class PermissionLimitError(Exception):
    """The connection already has LITERAL_LIMIT rules for the action. Nothing was changed."""


@dataclass(slots=True)
class _Rules:
    """The rules of one action. `groups` has only the groups that differ from the other rules."""

    any_group: bool = False
    patterns: tuple[GroupPattern, ...] = ()
    groups: dict[str, bool] = field(default_factory=dict)

    def allow(self, group: str) -> bool:
        if group in self.groups:
            return self.groups[group]
        return self.any_group or any(pattern.matches(group) for pattern in self.patterns)

    def change(self, group: str, allowed: bool) -> None:
        """Allow or deny the action for this group. Raises PermissionLimitError."""
        if self.allow(group) is allowed:
            return
        if group in self.groups:
            del self.groups[group]
        elif len(self.groups) < LITERAL_LIMIT:
            self.groups[group] = allowed
        else:
            raise PermissionLimitError


class Permissions:
    """The actions that one connection may do with groups."""

    __slots__ = ("_rules",)

    def __init__(self, rules: dict[Action, _Rules]) -> None:
        self._rules = rules

    @classmethod
    def from_roles(cls, roles: Iterable[str]) -> "Permissions":
        """Read the roles of a token (concept-client-protocols, concept-wildcard-group-roles).

        Unknown roles, and roles beyond the limits, are ignored.
        """
        ordered = sorted(roles)
        rules = {action: _read_roles(action, ordered) for action in ACTIONS}
        for action in STATE_ACTIONS:
            # Without such a role there is nothing to keep for the connection.
            if any(role.startswith(f"webpubsub.{action}") for role in ordered):
                rules[action] = _read_roles(action, ordered)
        return cls(rules)

    def allow(self, action: Action, group: str) -> bool:
        """Return whether the connection may do this with this group now."""
        rules = self._rules.get(action)
        return rules is not None and rules.allow(group)

    def rules(self, action: Action) -> dict[str, object]:
        """Return the action's rules as JSON values. A group's own rule wins over the others."""
        rules = self._rules[action]
        patterns = [str(pattern) for pattern in rules.patterns]
        return {"anyGroup": rules.any_group, "patterns": patterns, "groups": dict(rules.groups)}

    def grant(self, action: Action, group: str) -> None:
        """Allow the action for this group. Raises PermissionLimitError."""
        self._rules[action].change(group, True)

    def revoke(self, action: Action, group: str) -> None:
        """Deny the action for this group, even if a role allows it, until it is granted again.

        Raises PermissionLimitError.
        """
        self._rules[action].change(group, False)


def forbidden_text(action: str, group: str) -> str:
    """Return what a client reads that may not do this with a group, such as "send to"."""
    return f"The client does not have permission to {action} group '{group}'."


def _read_roles(action: Action, roles: list[str]) -> _Rules:
    rules = _Rules(any_group=f"webpubsub.{action}" in roles)
    names = _after(f"webpubsub.{action}.", roles)
    for text in _after(f"webpubsub.{action}s.", roles):
        pattern = parse_pattern(text)
        if pattern is None:
            continue
        if pattern.literal is not None:
            names.append(pattern.literal)
        elif pattern.parts == (Wildcard.ANY,):
            rules.any_group = True
        elif len(rules.patterns) < PATTERN_LIMIT:
            rules.patterns += (pattern,)
    for name in names:
        if is_group_name(name) and len(rules.groups) < LITERAL_LIMIT:
            rules.change(name, True)
    return rules


def _after(prefix: str, roles: list[str]) -> list[str]:
    return [role.removeprefix(prefix) for role in roles if role.startswith(prefix)]
