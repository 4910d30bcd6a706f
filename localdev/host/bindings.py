"""HTTP requests as a function receives them, and the types of responses and outcomes.

Does no I/O and does not know the Functions runtime. Events are in events.py, their responses in
answers.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

type Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to an HTTP function, with the members that the host sends to the worker."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    route_parameters: Mapping[str, str]
    query: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of a function or of the host itself; ``closes``: it ends the connection."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    closes: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an event function ended: ``value`` is what it returned, unless it ``failed``."""

    failed: bool
    value: object = None


def join_headers(headers: Headers) -> dict[str, str]:
    """Return one value per header in lower case, repeated ones joined with a comma."""
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    return joined


def group_headers(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the values of each header, under the name as it was first written."""
    names: dict[str, str] = {}
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(names.setdefault(name.lower(), name), []).append(value)
    return grouped
