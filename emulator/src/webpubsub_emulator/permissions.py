"""What a connection may do with groups: by its roles, and by grants and revocations."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from webpubsub_emulator.group_patterns import GroupPattern, Wildcard, parse_pattern
from webpubsub_emulator.names import is_group_name

Action = Literal["joinLeaveGroup", "sendToGroup"]
ACTIONS: tuple[Action, ...] = ("joinLeaveGroup", "sendToGroup")

# By name, or by number in the enumeration WebPubSubPermission of the official .NET client.
ACTIONS_BY_NAME: dict[str, Action] = {
    "sendtogroup": "sendToGroup",
    "1": "sendToGroup",
    "joinleavegroup": "joinLeaveGroup",
    "2": "joinLeaveGroup",
}
"""What a REST call may call an action, in lower case; it may use any."""

LITERAL_LIMIT = 1_000
"""How many groups a connection may have rules of their own for, per action."""
PATTERN_LIMIT = 9
"""How many patterns with wildcards count, per action; they count in the order of the roles."""


class PermissionLimitError(Exception):
    """The connection has LITERAL_LIMIT rules for the action already; nothing was changed."""


@dataclass(slots=True)
class _Rules:
    """The groups of one action. A group's own rule always differs from what holds without it."""

    any_group: bool = False
    patterns: tuple[GroupPattern, ...] = ()
    groups: dict[str, bool] = field(default_factory=dict)

    def allow(self, group: str) -> bool:
        """Whether the action is allowed for this group."""
        if group in self.groups:
            return self.groups[group]
        return self.any_group or any(pattern.matches(group) for pattern in self.patterns)

    def change(self, group: str, allowed: bool) -> None:
        """Allow or deny just this group, or raise PermissionLimitError."""
        if self.allow(group) is allowed:
            return
        if group in self.groups:
            del self.groups[group]
        elif len(self.groups) < LITERAL_LIMIT:
            self.groups[group] = allowed
        else:
            raise PermissionLimitError


class Permissions:
    """The group actions that are open to one connection."""

    __slots__ = ("_rules",)

    def __init__(self, rules: dict[Action, _Rules]) -> None:
        self._rules = rules

    @classmethod
    def from_roles(cls, roles: Iterable[str]) -> "Permissions":
        """Roles as in a client token (concept-client-protocols, concept-wildcard-group-roles).

        A role that means nothing, or that is one too many, is ignored.
        """
        ordered = sorted(roles)
        return cls({action: _read_roles(action, ordered) for action in ACTIONS})

    def allow(self, action: Action, group: str) -> bool:
        """Whether the connection may do this with this group now."""
        return self._rules[action].allow(group)

    def rules(self, action: Action) -> dict[str, object]:
        """The action's rules, to look at: a group's own rule wins over the others."""
        rules = self._rules[action]
        patterns = [str(pattern) for pattern in rules.patterns]
        return {"anyGroup": rules.any_group, "patterns": patterns, "groups": dict(rules.groups)}

    def grant(self, action: Action, group: str) -> None:
        """Allow the action for this group; PermissionLimitError if it takes a rule too many."""
        self._rules[action].change(group, True)

    def revoke(self, action: Action, group: str) -> None:
        """Deny the action for this group, whatever role allows it, until it is granted again.

        PermissionLimitError if it takes a rule too many.
        """
        self._rules[action].change(group, False)


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
