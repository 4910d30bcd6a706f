"""What a check found, and how findings are printed: line by line, or as JSON at the end."""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

JOURNEY = "journey"  # the check that shows that a client gets what the app promises
WIDTH = 10  # of the longest check name, with one space


class Level(StrEnum):
    """The result of a check. A skipped check found nothing out."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAILURE = "failure"


MARKS = {
    Level.OK: "ok     ",
    Level.SKIPPED: "-      ",
    Level.WARNING: "WARNING",
    Level.FAILURE: "FAILURE",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    `saw` is what happened. A warning or a failure also has `means`, the cause, and `fix`, the one
    thing to do about it.
    """

    level: Level
    saw: str
    means: str = ""
    fix: str = ""


def fine(saw: str) -> Finding:
    """Return the finding of a check that passed."""
    return Finding(Level.OK, saw)


def skipped(why: str) -> Finding:
    """Return the finding of a check that could not run."""
    return Finding(Level.SKIPPED, why)


def warning(saw: str, means: str, fix: str) -> Finding:
    """Return a finding that may be intended, or that cannot be confirmed from here."""
    return Finding(Level.WARNING, saw, means, fix)


def failure(saw: str, means: str, fix: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(Level.FAILURE, saw, means, fix)


def worst_level(findings: Iterable[Finding]) -> Level:
    """Return FAILURE, WARNING or OK; skipped checks do not count."""
    levels = {finding.level for finding in findings}
    return next((each for each in (Level.FAILURE, Level.WARNING) if each in levels), Level.OK)


class Report:
    """Prints each finding when its check ends. With JSON, the text for people goes to stderr."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._begun = ""  # the line of the check that runs
        self._stream = sys.stderr if as_json else sys.stdout

    def open(self, app: str) -> None:
        """Print the line above all checks."""
        self._write(f"Usher at {app}\n")

    def begin(self, check: str) -> None:
        """Print the name of a check that starts; its finding follows on the same line."""
        self._begun = f"  {check:<{WIDTH}} "
        self._write(self._begun)

    def wait(self, seconds: float) -> None:
        """Print that the examination is waiting, and begin the line of its check again."""
        start = "" if self._begun else f"  {'':<{WIDTH}} "
        self._write(f"{start}...      still waiting after {seconds:g} s\n{self._begun}")

    def end(self, finding: Finding) -> None:
        """Print the finding of the check that was begun."""
        self._begun = ""
        self._write(f"{MARKS[finding.level]}  {_printable(finding.saw)}\n")
        for name, text in (("means", finding.means), ("fix", finding.fix)):
            if text:
                self._write(f"{'':{WIDTH + 12}}{name + ':':<6} {_printable(text)}\n")

    def close(self, app: str, findings: Mapping[str, Finding]) -> None:
        """Print the summary, and with JSON the document."""
        self._write(f"{_printable(_verdict(findings))}\n{_printable(_coverage(findings))}\n")
        if self._as_json:
            print(json.dumps(to_document(app, findings)), flush=True)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def to_document(app: str, findings: Mapping[str, Finding]) -> dict[str, object]:
    """Return all findings as `--json` prints them."""
    listed = [{"check": check, **asdict(finding)} for check, finding in findings.items()]
    return {"app": app, "level": worst_level(findings.values()), "findings": listed}


def _coverage(findings: Mapping[str, Finding]) -> str:
    """Return how many checks found something out, and why the others did not."""
    reasons: dict[str, list[str]] = {}
    for check, finding in findings.items():
        if finding.level is Level.SKIPPED:
            reasons.setdefault(finding.saw, []).append(check)
    left_out = [f"{', '.join(checks)}, because {why}" for why, checks in reasons.items()]
    examined = sum(finding.level is not Level.SKIPPED for finding in findings.values())
    counted = f"{examined} of {len(findings)} examined"
    coverage = f"{counted}, not examined: {'; '.join(left_out)}" if left_out else counted
    return f"{coverage}."


def _verdict(findings: Mapping[str, Finding]) -> str:
    levels = [finding.level for finding in findings.values()]
    counts = [
        f"{levels.count(level)} {level}{'s' if levels.count(level) > 1 else ''}"
        for level in (Level.FAILURE, Level.WARNING)
        if level in levels
    ]
    if counts:
        return f"{', '.join(counts)}."
    if JOURNEY in findings and findings[JOURNEY].level is Level.OK:
        return "Nothing is wrong."
    return "No fault was found, but no client has connected."


def _printable(text: str) -> str:
    # Answers of other machines, which findings quote, may contain control characters.
    return "".join(letter if letter.isprintable() else " " for letter in text)
