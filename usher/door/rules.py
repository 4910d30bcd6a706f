"""Rules of who may do what in which group, and which of them decides; policy_file reads them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from usher.door.callers import Caller

JOIN, SEND, ROSTER = RIGHTS = ("join", "send", "roster")
# `{userId}`, `{claim:NAME}`, or `*`.
NAME = re.compile(r"(\{userId\}|\{claim:[^{}]+\}|\*)")
USER_ID, ANYTHING = "{userId}", "*"


class GroupPattern:
    """A group's name in which `{userId}`, `{claim:NAME}` and, at the end, `*` stand for text.

    Each name ends where the character behind it first occurs, so that a group has one reading only.
    A user `a.b` therefore never fits `{userId}.*`: it could reach into the groups of a user `a`.
    """

    def __init__(self, text: str) -> None:
        """Raises ValueError, which says what is wrong with the text."""
        self.text = text
        parts = [part for part in NAME.split(text) if part]
        literals = "".join(part for part in parts if not NAME.fullmatch(part))
        if set("{}") & set(literals):
            raise ValueError("may have {userId}, {claim:NAME} and no other braces")
        if ANYTHING in parts[:-1]:
            raise ValueError("may have * at its end only")
        if any(NAME.fullmatch(a) and NAME.fullmatch(b) for a, b in pairwise(parts)):
            raise ValueError("must have a character between two names")
        # Each part, whether it is a name, and the character behind it.
        self._parts = [
            (part, bool(NAME.fullmatch(part)), behind[:1])
            for part, behind in zip(parts, [*parts[1:], ""], strict=True)
        ]

    def read(self, group: str) -> list[tuple[str, str]] | None:
        """What each name stands for in this group, in order; None where the group does not fit."""
        found: list[tuple[str, str]] = []
        for part, is_name, behind in self._parts:
            if is_name:
                text = group.partition(behind)[0] if behind else group
                found.append((part, text))
            else:
                text = part if group.startswith(part) else ""
            if not text:
                return None
            group = group[len(text) :]
        return None if group else found


@dataclass(frozen=True)
class Rule:
    """Who (`user`, or a `claim` with its value, or anybody) has which `rights` in which groups."""

    group: GroupPattern
    rights: frozenset[str]
    user: str | None = None
    claim: tuple[str, str] | None = None

    def fits(self, caller: Caller, group: str) -> bool:
        """Whether this rule speaks of this caller in this group."""
        if not self._is_about(caller.user_id) or not _has(caller.claims, self.claim):
            return False
        names = self.group.read(group)
        return names is not None and all(
            name == ANYTHING
            or (name == USER_ID and text == caller.user_id)
            or _has(caller.claims, (name[len("{claim:") : -1], text))
            for name, text in names
        )

    def could_fit(self, user_id: str | None, group: str) -> bool:
        """Whether it fits a user of unknown claims, if he or she has the right ones."""
        names = self.group.read(group) if self._is_about(user_id) else None
        return names is not None and all(text == user_id for name, text in names if name == USER_ID)

    @property
    def asks_claims(self) -> bool:
        """Whether it takes a claim to tell if this rule fits."""
        return self.claim is not None or "{claim:" in self.group.text

    def _is_about(self, user_id: str | None) -> bool:
        return self.user is None or self.user == user_id


@dataclass(frozen=True)
class Rules:
    """The first rule that fits decides; where none does, nothing is allowed."""

    rules: Sequence[Rule]

    def deciding(self, caller: Caller, group: str) -> Rule | None:
        """The rule for this caller in this group."""
        return next((rule for rule in self.rules if rule.fits(caller, group)), None)

    def rights(self, caller: Caller, group: str) -> frozenset[str]:
        """What the caller may do there."""
        rule = self.deciding(caller, group)
        return rule.rights if rule else frozenset()

    def could_join(self, user_id: str | None, group: str) -> bool:
        """Whether there are claims with which this user may join."""
        return self._could(user_id, group, JOIN)

    def could_send(self, user_id: str | None, group: str) -> bool:
        """Whether there are claims with which this user may send."""
        return self._could(user_id, group, SEND)

    def _could(self, user_id: str | None, group: str, right: str) -> bool:
        for rule in self._could_fit(user_id, group):
            if right in rule.rights:
                return True
            if not rule.asks_claims:
                return False
        return False

    def _could_fit(self, user_id: str | None, group: str) -> Iterable[Rule]:
        return (rule for rule in self.rules if rule.could_fit(user_id, group))


def _has(claims: Mapping[str, frozenset[str]], claim: tuple[str, str] | None) -> bool:
    return claim is None or claim[1] in claims.get(claim[0], ())
