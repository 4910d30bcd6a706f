"""Shows findings: line by line as they come, and all of them in JSON at the end."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict

from localdev.doctor.findings import Finding, Level, worst_level

WIDTH = 10
MARKS = {
    Level.OK: "ok     ",
    Level.SKIPPED: "-      ",
    Level.WARNING: "WARNING",
    Level.FAILURE: "FAILURE",
}


class Report:
    """Told as the checks run. With JSON, what people read goes to stderr."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._stream = sys.stderr if as_json else sys.stdout

    def open(self, app: str) -> None:
        """Before the first check."""
        self._write(f"Usher at {app}\n")

    def begin(self, check: str) -> None:
        """The check's name alone, for as long as it takes."""
        self._write(f"  {check:<{WIDTH}} ")

    def end(self, finding: Finding) -> None:
        """What it found."""
        self._write(f"{MARKS[finding.level]}  {_printable(finding.saw)}\n")
        for name, text in (("means", finding.means), ("fix", finding.fix)):
            if text:
                self._write(f"{'':{WIDTH + 12}}{name + ':':<6} {_printable(text)}\n")

    def close(self, app: str, findings: Mapping[str, Finding]) -> None:
        """After the last check."""
        self._write(f"{_summary(findings)}\n")
        if self._as_json:
            print(json.dumps(describe(app, findings)), flush=True)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def describe(app: str, findings: Mapping[str, Finding]) -> dict[str, object]:
    """All findings, as programs read them."""
    listed = [{"check": check, **asdict(finding)} for check, finding in findings.items()]
    return {"app": app, "level": worst_level(findings.values()), "findings": listed}


def _summary(findings: Mapping[str, Finding]) -> str:
    levels = [finding.level for finding in findings.values()]
    counts = [
        f"{levels.count(level)} {level}{'s' if levels.count(level) > 1 else ''}"
        for level in (Level.FAILURE, Level.WARNING)
        if level in levels
    ]
    return f"{', '.join(counts)}." if counts else "Nothing is wrong."


def _printable(text: str) -> str:
    """What another machine said may have control characters in it."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
