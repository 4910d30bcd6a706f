"""What a run against a target says at its end, and what it must never say."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

WORDS = {"passed": "agrees", "failed": "DIFFERS", "error": "DIFFERS", "skipped": "not asked"}
WIDTH = 100

_TOKEN = re.compile(r"eyJ[\w.-]*")


def redact(text: str, access_key: str) -> str:
    """The text without the key and without tokens that it has signed."""
    return _TOKEN.sub("<token>", text).replace(access_key, "<key>")


@dataclass(frozen=True, slots=True)
class Statement:
    """One fact that the target was asked about; `subject` is its file."""

    subject: str
    text: str
    outcome: str
    reason: str = ""

    def line(self) -> str:
        """Its line in the table."""
        text = self.text if len(self.text) <= WIDTH else f"{self.text[: WIDTH - 1]}…"
        return f"  {self.outcome:9}  {text}" + (f"  ({self.reason})" if self.reason else "")


def read_reports(stats: dict[str, list[Any]]) -> Iterator[Statement]:
    """The statements behind pytest's reports; a fixture's failure at the end counts once."""
    seen = set()
    for outcome in ("failed", "error", "passed", "skipped"):
        for report in stats.get(outcome, []):
            if report.nodeid not in seen:
                seen.add(report.nodeid)
                yield _statement(report, WORDS[outcome])


def _statement(report: Any, word: str) -> Statement:
    file, _, name = report.nodeid.partition("::")
    subject = file.rpartition("/")[2].removesuffix(".py").removeprefix("test_")
    name, bracket, parameters = name.removeprefix("test_").partition("[")
    text = name.replace("_", " ") + (f" {bracket}{parameters}" if bracket else "")
    is_skip = word == "not asked" and isinstance(report.longrepr, tuple)
    reason = report.longrepr[2].removeprefix("Skipped: ") if is_skip else ""
    return Statement(subject.replace("_", " "), text, word, reason)


def table(statements: Iterable[Statement]) -> Iterator[str]:
    """Lines for a person: subjects, what was said about each, and the counts."""
    rows = sorted(statements, key=lambda one: one.subject)
    for subject, group in groupby(rows, key=lambda one: one.subject):
        yield subject
        yield from (one.line() for one in sorted(group, key=lambda one: one.text))
    counts = [
        (sum(one.outcome == word for one in rows), text)
        for word, text in (("agrees", "agree"), ("DIFFERS", "differ"), ("not asked", "not asked"))
    ]
    yield ", ".join(f"{count} {text}" for count, text in counts)
