"""The line of a place in a policy file, for messages about that place."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

_RULES = re.compile(r'"rules"\s*:\s*\[')
_PLACE = re.compile(r"rules\[(\d+)\](?:\.(\w+))?$")
_BETWEEN = re.compile(r"[\s,]*")


def find_line(file: Path, place: str) -> int | None:
    """Return the line of a place such as `policy.json rules[0].allow`; None if it is unknown.

    In a file that is not valid JSON, it is the line where JSON ends.
    """
    try:
        text = file.read_text("utf-8")
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno
    except (OSError, ValueError, RecursionError):
        return None
    found, rules = _PLACE.search(place), _RULES.search(text)
    if found is None or rules is None:
        return None
    index, field = int(found[1]), found[2]
    start, end = next(islice(_elements(text, rules.end()), index, None))
    inside = re.search(rf'"{field}"\s*:', text[start:end]) if field else None
    return text.count("\n", 0, start + (inside.start() if inside else 0)) + 1


def _elements(text: str, position: int) -> Iterator[tuple[int, int]]:
    """Yield where each element of the list begins and ends."""
    decoder = json.JSONDecoder()
    while text[(start := _skip(text, position))] != "]":
        _, position = decoder.raw_decode(text, start)
        yield start, position


def _skip(text: str, position: int) -> int:
    match = _BETWEEN.match(text, position)
    return match.end() if match else position
