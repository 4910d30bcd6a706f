"""Patterns of group names, as wildcard roles have them (concept-wildcard-group-roles)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

LENGTH_LIMIT = 1024
STAR_LIMIT = 5
"""How many unescaped stars a pattern may have; two stars in a row are two."""

_ESCAPED = re.compile(r"\\.", re.DOTALL)


class Wildcard(Enum):
    """The parts of a pattern that stand for other characters."""

    ONE = "?"
    SOME = "*"
    ANY = "**"


_Part = str | Wildcard


@dataclass(frozen=True, slots=True)
class GroupPattern:
    """A pattern that holds together; `parse_pattern` makes it."""

    parts: tuple[_Part, ...]

    def __str__(self) -> str:
        """The pattern as a role has it."""
        return "".join(
            part.value if isinstance(part, Wildcard) else re.sub(r"[\\*?]", r"\\\g<0>", part)
            for part in self.parts
        )

    @property
    def literal(self) -> str | None:
        """The one group that the pattern names, if it has no wildcard."""
        texts = [part for part in self.parts if isinstance(part, str)]
        return "".join(texts) if len(texts) == len(self.parts) else None

    def matches(self, group: str) -> bool:
        """Whether the whole name fits. All ways are followed at once, so none takes long."""
        positions = self._pass_stars({0})
        for character in group:
            reached = {next_ for at in positions for next_ in self._steps(at, character)}
            positions = self._pass_stars(reached)
        return len(self.parts) in positions

    def _steps(self, at: int, character: str) -> Iterable[int]:
        """Where one more character leads from a position between the parts."""
        part = self.parts[at] if at < len(self.parts) else ""
        if part is Wildcard.ANY or (part is Wildcard.SOME and character != "."):
            return (at,)
        if part == character or (part is Wildcard.ONE and character != "."):
            return (at + 1,)
        return ()

    def _pass_stars(self, positions: set[int]) -> set[int]:
        """A star may also stand for nothing."""
        passed = set(positions)
        for position in positions:
            at = position
            while at < len(self.parts) and self.parts[at] in (Wildcard.SOME, Wildcard.ANY):
                at += 1
                passed.add(at)
        return passed


def parse_pattern(text: str) -> GroupPattern | None:
    """The pattern, or None if it is invalid: its escapes, its stars or its length."""
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
    """Two stars, or more, are one wildcard."""
    if parts and parts[-1] in (Wildcard.SOME, Wildcard.ANY):
        parts[-1] = Wildcard.ANY
    else:
        parts.append(Wildcard.SOME)
