"""What a check found. How findings are shown is in report.py."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. Nobody looked where a check was skipped."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """`saw` is what happened; a warning or a failure also says what it means and the one fix."""

    level: Level
    saw: str
    means: str = ""
    fix: str = ""


def fine(saw: str) -> Finding:
    """As it should be."""
    return Finding(Level.OK, saw)


def skipped(why: str) -> Finding:
    """Not looked at."""
    return Finding(Level.SKIPPED, why)


def warning(saw: str, means: str, fix: str) -> Finding:
    """It works, and may not be meant so; or nobody can tell from here."""
    return Finding(Level.WARNING, saw, means, fix)


def failure(saw: str, means: str, fix: str) -> Finding:
    """It does not work."""
    return Finding(Level.FAILURE, saw, means, fix)


def worst_level(findings: Iterable[Finding]) -> Level:
    """The worst of all; what was skipped does not count."""
    levels = {finding.level for finding in findings}
    return next((each for each in (Level.FAILURE, Level.WARNING) if each in levels), Level.OK)
