"""The last events and REST calls, for people to look at. No token, query or body gets here."""

from collections import deque
from dataclasses import dataclass

KEPT = 200
"""How many events and how many calls are kept."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event whose delivery is over. `time` is of its end, in UTC, as ISO 8601."""

    time: str
    hub: str
    connection: str
    name: str
    ce_id: str
    status: int | None
    """None without an answer."""
    failure: str
    """Why there is none; empty with an answer."""
    attempts: int


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A REST call that was answered. The path is as it was sent, without the query."""

    time: str
    method: str
    path: str
    status: int


class Journal:
    """The newest come last; beyond KEPT the oldest go."""

    def __init__(self) -> None:
        self.events: deque[EventRecord] = deque(maxlen=KEPT)
        self.calls: deque[CallRecord] = deque(maxlen=KEPT)
