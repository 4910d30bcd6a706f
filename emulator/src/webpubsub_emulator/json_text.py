"""JSON text to Python values, stricter than the standard library, and with each member's text."""

import json
import re
from typing import Any, NamedTuple, NoReturn, TypeAlias

_BLANKS = re.compile(r"[ \t\r\n]*")


class Member(NamedTuple):
    """The value of a member of a JSON object, and the text that it was read from."""

    value: Any
    raw: str


Members: TypeAlias = dict[str, Member]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


# Python's parser accepts NaN and Infinity, which are not JSON (RFC 8259, section 6).
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_PAIRS_DECODER = json.JSONDecoder(object_pairs_hook=list)


def parse_json(text: str) -> Any:
    """Return the value of a JSON text. Raises ValueError if it is not JSON or too deep."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_pairs(text: str) -> list[tuple[str, Any]]:
    """Return the members of a JSON object as pairs, which keeps a key that comes twice."""
    pairs: list[tuple[str, Any]] = _PAIRS_DECODER.decode(text)
    return pairs


def parse_members(text: str) -> Members:
    """Return the members of a JSON object, each with its own text.

    The service passes JSON data on as written. Encoding a parsed value again would change its
    blanks and its numbers. Raises ValueError or RecursionError if the text cannot be read.
    """
    members: Members = {}
    position = _skip(text, 0, "{")
    separator = "," if not text.startswith("}", position) else ""
    while separator:
        key, position = _DECODER.raw_decode(text, position)
        start = _skip(text, position, ":")
        value, end = _DECODER.raw_decode(text, start)
        members[key] = Member(value, text[start:end])
        position = _skip(text, end, "")
        separator = "," if text.startswith(",", position) else ""
        position = _skip(text, position, separator)
    if _skip(text, position, "}") != len(text):
        raise ValueError("text after the object")
    return members


def _skip(text: str, position: int, token: str) -> int:
    """Return the position after blanks, the token and more blanks."""
    start = _after_blanks(text, position)
    if not text.startswith(token, start):
        raise ValueError(f"expected {token}")
    return _after_blanks(text, start + len(token))


def _after_blanks(text: str, position: int) -> int:
    blanks = _BLANKS.match(text, position)
    return blanks.end() if blanks else position
