"""The rules of the policy: who has which rights in which groups."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from usher.door.callers import Caller

JOIN, SEND, ROSTER = RIGHTS = ("join", "send", "roster")
# `{userId}`, `{claim:NAME}`, or `*`.
PLACEHOLDER = re.compile(r"(\{userId\}|\{claim:[^{}]+\}|\*)")
USER_ID, ANYTHING = "{userId}", "*"


class GroupPattern:
    """The name of a group, with the placeholders `{userId}`, `{claim:NAME}` and, at the end, `*`.

    A placeholder ends at the first occurrence of the character that follows it, so that a group
    never matches in two ways. The user `a.b` therefore never matches `{userId}.*`: otherwise `a.b`
    could enter groups of the user `a`.
    """

    def __init__(self, text: str) -> None:
        """Raises ValueError, whose text says what is wrong."""
        self.text = text
        parts = [part for part in PLACEHOLDER.split(text) if part]
        literals = "".join(part for part in parts if not PLACEHOLDER.fullmatch(part))
        if set("{}") & set(literals):
            raise ValueError("may have no braces other than {userId} and {claim:NAME}")
        if ANYTHING in parts[:-1]:
            raise ValueError("may have * only at its end")
        if any(PLACEHOLDER.fullmatch(a) and PLACEHOLDER.fullmatch(b) for a, b in pairwise(parts)):
            raise ValueError("must have a character between two placeholders")
        # Each part, whether it is a placeholder, and the character that follows it.
        self._parts = [
            (part, bool(PLACEHOLDER.fullmatch(part)), following[:1])
            for part, following in zip(parts, [*parts[1:], ""], strict=True)
        ]

    def match(self, group: str) -> list[tuple[str, str]] | None:
        """Return each placeholder and its text in this group; None if the group does not match."""
        found: list[tuple[str, str]] = []
        for part, is_placeholder, following in self._parts:
            if is_placeholder:
                text = group.partition(following)[0] if following else group
                found.append((part, text))
            else:
                text = part if group.startswith(part) else ""
            if not text:
                return None
            group = group[len(text) :]
        return None if group else found


@dataclass(frozen=True, slots=True)
class Rule:
    """A caller (by user id, by a claim and its value, or any) has `rights` in matching groups."""

    group: GroupPattern
    rights: frozenset[str]
    user: str | None = None
    claim: tuple[str, str] | None = None

    def matches(self, caller: Caller, group: str) -> bool:
        """Return whether this rule applies to this caller in this group."""
        if not self._has_user(caller.user_id) or not _has(caller.claims, self.claim):
            return False
        names = self.group.match(group)
        if names is None:
            return False
        # No `all` with a generator, which costs more than the comparisons, for each rule.
        return not [name for name, text in names if not _fits(caller, name, text)]

    def could_match(self, user_id: str | None, group: str) -> bool:
        """Return whether this rule applies to the user for some claims."""
        names = self.group.match(group) if self._has_user(user_id) else None
        return names is not None and all(text == user_id for name, text in names if name == USER_ID)

    @property
    def caller(self) -> str:
        """Whom the rule is about, for people: `any`, `user ana` or `team=red`."""
        return f"user {self.user}" if self.user else "=".join(self.claim) if self.claim else "any"

    @property
    def needs_claims(self) -> bool:
        """Whether this rule depends on the caller's claims."""
        return self.claim is not None or "{claim:" in self.group.text

    def _has_user(self, user_id: str | None) -> bool:
        return self.user is None or self.user == user_id


@dataclass(frozen=True, slots=True)
class Rules:
    """The first matching rule wins; without one nothing is allowed."""

    rules: Sequence[Rule]

    def first_match(self, caller: Caller, group: str) -> Rule | None:
        """Return the rule that applies to this caller in this group."""
        for rule in self.rules:
            if rule.matches(caller, group):
                return rule
        return None

    def rights(self, caller: Caller, group: str) -> frozenset[str]:
        """Return what the caller may do in the group."""
        rule = self.first_match(caller, group)
        return rule.rights if rule else frozenset()

    def could_join(self, user_id: str | None, group: str) -> bool:
        """Return whether the user may join with some claims."""
        return self._could_have(user_id, group, JOIN)

    def could_send(self, user_id: str | None, group: str) -> bool:
        """Return whether the user may send with some claims."""
        return self._could_have(user_id, group, SEND)

    def _could_have(self, user_id: str | None, group: str, right: str) -> bool:
        for rule in (rule for rule in self.rules if rule.could_match(user_id, group)):
            if right in rule.rights:
                return True
            if not rule.needs_claims:
                return False
        return False


def _fits(caller: Caller, placeholder: str, text: str) -> bool:
    return (
        placeholder == ANYTHING
        or (placeholder == USER_ID and text == caller.user_id)
        or _has(caller.claims, (placeholder[len("{claim:") : -1], text))
    )


def _has(claims: Mapping[str, frozenset[str]], claim: tuple[str, str] | None) -> bool:
    return claim is None or claim[1] in claims.get(claim[0], ())
