"""The table of a run against a target, and the redaction of its secrets."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

LABELS = {"passed": "agrees", "failed": "DIFFERS", "error": "DIFFERS", "skipped": "not asked"}
WIDTH = 100
# The marks of statements.
EVIDENCE = {
    "recorded": "seen at the real service, in a recording or a maintainer's measurement",
    "specified": "from an RFC, or Microsoft's specifications, documentation, SDKs or emulator",
    "inferred": "from neighbouring behaviour; no source was found",
}

_TOKEN = re.compile(r"eyJ[\w.-]*")


def redact(text: str, access_key: str) -> str:
    """Return the text without the access key and without signed tokens."""
    return _TOKEN.sub("<token>", text).replace(access_key, "<key>")


@dataclass(frozen=True, slots=True)
class Statement:
    """One fact that the target was checked for. `subject` is the name of its test file."""

    subject: str
    text: str
    outcome: str
    reason: str = ""
    evidence: str = ""  # a name of EVIDENCE, if the statement has a mark

    def line(self) -> str:
        """Return the line of the table."""
        text = self.text if len(self.text) <= WIDTH else f"{self.text[: WIDTH - 1]}…"
        notes = "; ".join(note for note in (self.evidence, self.reason) if note)
        return f"  {self.outcome:9}  {text}" + (f"  ({notes})" if notes else "")


def read_reports(stats: dict[str, list[Any]]) -> Iterator[Statement]:
    """Yield the statements of pytest's reports, each test once.

    A test that passes and then fails in a fixture's teardown counts as different.
    """
    seen = set()
    for outcome in ("failed", "error", "passed", "skipped"):
        for report in stats.get(outcome, []):
            if report.nodeid not in seen:
                seen.add(report.nodeid)
                yield _statement(report, LABELS[outcome])


def _statement(report: Any, label: str) -> Statement:
    file, _, name = report.nodeid.partition("::")
    subject = file.rpartition("/")[2].removesuffix(".py").removeprefix("test_")
    name, bracket, parameters = name.removeprefix("test_").partition("[")
    text = name.replace("_", " ") + (f" {bracket}{parameters}" if bracket else "")
    is_skip = label == "not asked" and isinstance(report.longrepr, tuple)
    reason = report.longrepr[2].removeprefix("Skipped: ") if is_skip else ""
    evidence = next((mark for mark in EVIDENCE if mark in report.keywords), "")
    return Statement(subject.replace("_", " "), text, label, reason, evidence)


def table(statements: Iterable[Statement]) -> Iterator[str]:
    """Yield the lines of the table: subjects, the statements of each, and the counts."""
    rows = sorted(statements, key=lambda statement: statement.subject)
    for subject, group in groupby(rows, key=lambda statement: statement.subject):
        yield subject
        yield from (each.line() for each in sorted(group, key=lambda statement: statement.text))
    counts = [
        (sum(row.outcome == label for row in rows), text)
        for label, text in (("agrees", "agree"), ("DIFFERS", "differ"), ("not asked", "not asked"))
    ]
    yield ", ".join(f"{count} {text}" for count, text in counts)
