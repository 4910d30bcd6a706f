"""The id of a visit, by which the log records from `negotiate` to the leave belong together.

It comes from outside: its form is checked, and nothing is decided by it.
"""

import hashlib
import random
import re
from collections.abc import Iterator, Mapping

# The name of the token's claim, of the client URL's parameter, of the state's key, of the field.
VISIT = "visit"
FORM = re.compile(r"(?!0{32})[0-9a-f]{32}")
# W3C Trace Context, "traceparent Header": version, trace id, parent id, flags. Only versions after
# 00 may have more.
TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]*)?"
)


def begin_visit(headers: Mapping[str, str]) -> str:
    """Return the trace id of a valid `traceparent` header, or a new id."""
    text = headers.get("traceparent")
    match = TRACEPARENT.fullmatch(text) if text else None
    if match and (match[1] != "00" or not match[3]):
        return match[2]
    return f"{random.getrandbits(128):032x}"  # a label, so it needs no secret source


def read_visit(connection_id: str, *places: object) -> str:
    """Return the first valid visit in these objects, which may have any form.

    A connection without one gets an id that all its events lead to.
    """
    for value in _values(places):
        if isinstance(value, str) and FORM.fullmatch(value):
            return value
    return hashlib.blake2b(connection_id.encode(), digest_size=16).hexdigest()


def _values(places: tuple[object, ...]) -> Iterator[object]:
    for place in places:
        value = place.get(VISIT) if isinstance(place, Mapping) else None
        yield from value if isinstance(value, list) else [value]
