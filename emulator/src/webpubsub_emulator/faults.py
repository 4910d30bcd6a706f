"""Faults on demand: their names, their parameters, and the decision whether one happens now.

They happen elsewhere: to REST calls in rest_faults.py, to lists in list_history.py, to events in
event_faults.py and to connections in sockets.py.
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
_MOST_CALLS = 1_000

# Every fault with the defaults of its parameters.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "late-visibility": {"ms": 300},
        "stale-list": {"ms": 1000, "calls": 0, "rate": 1.0},
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
    """A fault that cannot be read. The text quotes it and says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that may happen. Parameters that the fault does not have keep their defaults."""

    name: str
    rate: float = 1.0  # from 0 (never) to 1 (always)
    ms: int = 0
    calls: int = 0  # how many lists of the group ago
    status: int = 500
    retry_after: int = 1  # seconds
    event: str | None = None  # the only event that it applies to; None for all

    def __str__(self) -> str:
        """Return the fault with all its parameters, as `parse_fault` reads it."""
        values = {key: getattr(self, key.replace("-", "_")) for key in _DEFAULTS[self.name]}
        texts = [f"{key}={value}" for key, value in values.items() if value is not None]
        return f"{self.name}:{','.join(texts)}"


def parse_fault(text: str) -> Fault:
    """Return the fault of a text like `NAME:key=value,key=value`. Every parameter is optional.

    Raises FaultError.
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
    if "calls" in given:
        # A fault by count does not also depend on the clock, unless both are given.
        given.setdefault("ms", 0)
    return given


def _read_rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise ValueError("a number from 0 to 1")
    return rate


def _whole_number(lowest: int, highest: int) -> Callable[[str], int]:
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
        "ms": _whole_number(0, _LONGEST_MS),
        "calls": _whole_number(0, _MOST_CALLS),
        "status": _whole_number(500, 599),
        "retry-after": _whole_number(0, _LONGEST_RETRY_AFTER),
        "event": _read_event,
    }
)


class Faults:
    """The faults of one emulator.

    The same seed and the same calls of `strike` give the same results. Each fault draws random
    numbers of its own, so adding a fault does not change when another one happens.
    """

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self.replace(faults, seed)

    def replace(self, faults: Iterable[Fault], seed: int) -> None:
        """Replace all faults. A fault that is happening already runs to its end."""
        self.seed = seed
        # In their order: if several could happen at once, the first one does.
        self.active = tuple(faults)
        self._happened = [0] * len(self.active)
        self._draws = {
            name: random.Random(f"{seed} {name}")  # noqa: S311 - must be repeatable
            for name in FAULTS
        }

    def strike(self, name: str, event: str | None = None) -> Fault | None:
        """Return the fault with this name that happens now (to this event), or None."""
        for index, fault in enumerate(self.active):
            if fault.name != name or fault.event not in (None, event):
                continue
            if self._draws[name].random() < fault.rate:
                self._happened[index] += 1
                return fault
        return None

    def counts(self) -> list[tuple[Fault, int]]:
        """Return each active fault, and how often it has happened."""
        return list(zip(self.active, self._happened, strict=True))
