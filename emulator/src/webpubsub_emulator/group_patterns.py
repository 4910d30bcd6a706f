"""Patterns of group names in wildcard roles (concept-wildcard-group-roles)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

LENGTH_LIMIT = 1024
STAR_LIMIT = 5  # unescaped stars in a pattern; two stars in a row count as two

_ESCAPED = re.compile(r"\\.", re.DOTALL)


class Wildcard(Enum):
    """The parts of a pattern that match other characters; only ANY matches a dot."""

    ONE = "?"
    SOME = "*"
    ANY = "**"


_Part: TypeAlias = str | Wildcard


@dataclass(frozen=True, slots=True)
class GroupPattern:
    """A valid pattern, as `parse_pattern` returns it."""

    parts: tuple[_Part, ...]

    def __str__(self) -> str:
        """Return the pattern as it is written in a role."""
        return "".join(
            part.value if isinstance(part, Wildcard) else re.sub(r"[\\*?]", r"\\\g<0>", part)
            for part in self.parts
        )

    @property
    def literal(self) -> str | None:
        """The only group that the pattern matches, or None if it has a wildcard."""
        texts = [part for part in self.parts if isinstance(part, str)]
        return "".join(texts) if len(texts) == len(self.parts) else None

    def matches(self, group: str) -> bool:
        """Return whether the whole name matches.

        All alternatives are followed at the same time, so no pattern takes exponential time.
        """
        positions = self._pass_stars({0})
        for character in group:
            reached = {next_ for at in positions for next_ in self._steps(at, character)}
            positions = self._pass_stars(reached)
        return len(self.parts) in positions

    def _steps(self, at: int, character: str) -> Iterable[int]:
        """Return the positions between the parts that one more character leads to."""
        part = self.parts[at] if at < len(self.parts) else ""
        if part is Wildcard.ANY or (part is Wildcard.SOME and character != "."):
            return (at,)
        if part == character or (part is Wildcard.ONE and character != "."):
            return (at + 1,)
        return ()

    def _pass_stars(self, positions: set[int]) -> set[int]:
        # A star also matches nothing.
        passed = set(positions)
        for position in positions:
            at = position
            while at < len(self.parts) and self.parts[at] in (Wildcard.SOME, Wildcard.ANY):
                at += 1
                passed.add(at)
        return passed


def parse_pattern(text: str) -> GroupPattern | None:
    """Return the pattern, or None if its escapes, its stars or its length are invalid."""
    parts = _parts(text)
    stars = _ESCAPED.sub("", text).count("*")
    if parts is None or not 1 <= len(text) <= LENGTH_LIMIT or stars > STAR_LIMIT:
        return None
    return GroupPattern(tuple(parts))


def _parts(text: str) -> list[_Part] | None:
    parts: list[_Part] = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            if escaped not in ("\\", "*", "?"):
                return None
            parts.append(escaped)
        elif character == "*":
            _add_star(parts)
        else:
            parts.append(Wildcard.ONE if character == "?" else character)
    return parts


def _add_star(parts: list[_Part]) -> None:
    # Two or more stars in a row are the wildcard ANY.
    if parts and parts[-1] in (Wildcard.SOME, Wildcard.ANY):
        parts[-1] = Wildcard.ANY
    else:
        parts.append(Wildcard.SOME)
