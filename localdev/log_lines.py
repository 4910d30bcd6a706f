"""The host's log lines for people: log records in aligned columns, with colours."""

import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

# As localdev.host.logs writes them.
RECORD = re.compile(r"    (?P<level>[A-Z]+) usher: (?P<fields>\{.*\})")
OTHER = re.compile(r"    (?P<level>[A-Z]+) \S+: ")
COLORS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "31"}
FAINT = "2"
IN_COLUMNS = ("record", "visit", "userId", "group", "groups")


def print_line(line: str) -> None:
    """Print a line of the host's log on stderr, which is a terminal."""
    print(show_line(line, has_colors=has_colors(sys.stderr)), file=sys.stderr, flush=True)


def has_colors(stream: TextIO) -> bool:
    """Return whether the stream is a terminal whose user wants colours."""
    return stream.isatty() and "NO_COLOR" not in os.environ


def show_line(line: str, *, has_colors: bool) -> str:
    """Return a line of the host's log as people read it; only records look different.

    The first eight characters of a visit are enough to see which records belong together.
    """
    if match := OTHER.match(line):
        record = _read_record(line)
        text = line if record is None else _align(record)
        return paint(text, COLORS.get(match["level"], "") if has_colors else "")
    return paint(line, FAINT if has_colors else "")


def _read_record(line: str) -> dict[str, Any] | None:
    match = RECORD.fullmatch(line)
    try:
        fields = json.loads(match["fields"]) if match else None
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _align(fields: Mapping[str, Any]) -> str:
    groups = fields.get("groups") or [fields.get("group")]
    names = ", ".join(show(group) for group in groups)
    columns = [
        f"{show(fields.get('record')):<12}",
        f"{show(fields.get('visit'))[:8]:<8}",
        f"{show(fields.get('userId')):<16}",
        f"{names:<16}",
        *(f"{name}={show(value)}" for name, value in fields.items() if name not in IN_COLUMNS),
    ]
    return f"    {'  '.join(columns)}".rstrip()


def show(value: object) -> str:
    """Return a value without characters that control a terminal."""
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    return text if text.isprintable() else ascii(text)


def paint(text: str, color: str) -> str:
    """Return the text in a colour, a number of the terminal's; without one as it is."""
    return f"\x1b[{color}m{text}\x1b[0m" if color else text
