"""Faults on demand: which there are, how they are written, and whether one happens now.

Nothing happens here. REST calls fail in rest_faults.py, events in event_faults.py, and
connections in sockets.py.
"""

import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from webpubsub_emulator.names import is_event_name

_LONGEST_MS = 600_000
_LONGEST_RETRY_AFTER = 86_400

# Every fault with its parameters and what they are where they are not given.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "late-visibility": {"ms": 300},
        "rest-throttled": {"rate": 1.0, "retry-after": 1},
        "rest-error": {"rate": 1.0, "status": 500},
        "rest-error-after": {"rate": 1.0, "status": 500},
        "rest-forbidden": {"rate": 1.0},
        "rest-slow": {"ms": 500, "rate": 1.0},
        "event-lost": {"rate": 1.0, "event": None},
        "event-duplicated": {"rate": 1.0, "event": None},
        "event-delayed": {"ms": 500, "rate": 1.0, "event": None},
        "event-reordered": {"rate": 1.0, "event": None},
        "handler-slow": {"ms": 500, "rate": 1.0},
        "connection-dropped": {"rate": 1.0, "ms": 500},
    }
)
FAULTS = tuple(_DEFAULTS)


class FaultError(ValueError):
    """A fault that cannot be read; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that may happen. A parameter that the name does not have keeps its default here."""

    name: str
    rate: float = 1.0
    """How often, from 0 (never) to 1 (always)."""
    ms: int = 0
    """Milliseconds."""
    status: int = 500
    retry_after: int = 1
    """Seconds."""
    event: str | None = None
    """The only event that is meant; None for all."""

    def __str__(self) -> str:
        """All its parameters, in the form that `parse_fault` reads."""
        values = {key: getattr(self, key.replace("-", "_")) for key in _DEFAULTS[self.name]}
        texts = [f"{key}={value}" for key, value in values.items() if value is not None]
        return f"{self.name}:{','.join(texts)}"


def parse_fault(text: str) -> Fault:
    """A fault from `NAME:key=value,key=value`, where every parameter may be missing.

    FaultError says what is wrong.
    """
    name, colon, parameters = text.partition(":")
    try:
        if name not in _DEFAULTS:
            raise ValueError(f"there is no such fault; there are {', '.join(FAULTS)}")
        given = _read_parameters(name, parameters.split(",") if colon else [])
    except ValueError as error:
        raise FaultError(f"fault {text!r}: {error}.") from None
    values = {**_DEFAULTS[name], **given}
    return Fault(name, **{key.replace("-", "_"): value for key, value in values.items()})


def _read_parameters(name: str, parts: Iterable[str]) -> dict[str, Any]:
    known, given = _DEFAULTS[name], dict[str, Any]()
    for part in parts:
        key, _, value = part.partition("=")
        if key not in known or key in given:
            raise ValueError(f"its parameters are {', '.join(known)}, each at most once")
        try:
            given[key] = _READERS[key](value)
        except ValueError as error:
            raise ValueError(f"{key} must be {error}") from None
    return given


def _read_rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise ValueError("a number from 0 to 1")
    return rate


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest}")
        return int(text)

    return read


def _read_event(text: str) -> str:
    if not is_event_name(text):
        raise ValueError("the name of an event")
    return text


_READERS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {
        "rate": _read_rate,
        "ms": _whole(0, _LONGEST_MS),
        "status": _whole(500, 599),
        "retry-after": _whole(0, _LONGEST_RETRY_AFTER),
        "event": _read_event,
    }
)


class Faults:
    """The faults of one emulator. The same seed and the same calls of `strike` end the same way.

    Each name draws its own numbers, so that what one fault does changes nothing about another.
    """

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self.replace(faults, seed)

    def replace(self, faults: Iterable[Fault], seed: int) -> None:
        """Put these in the place of all; what has begun already runs to its end."""
        self.seed = seed
        self.active = tuple(faults)
        """In their order: of several that could happen at once, the first does."""
        self._happened = [0] * len(self.active)
        self._draws = {
            name: random.Random(f"{seed} {name}")  # noqa: S311 - repeats itself on purpose
            for name in FAULTS
        }

    def strike(self, name: str, event: str | None = None) -> Fault | None:
        """The fault of that name that happens now, to that event if it is about one; or None."""
        for index, fault in enumerate(self.active):
            if fault.name != name or fault.event not in (None, event):
                continue
            if self._draws[name].random() < fault.rate:
                self._happened[index] += 1
                return fault
        return None

    def counts(self) -> list[tuple[Fault, int]]:
        """Each active fault, and how often it happened."""
        return list(zip(self.active, self._happened, strict=True))
