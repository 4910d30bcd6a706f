"""The last events and REST calls, for the control endpoint. Without tokens, queries and bodies."""

from collections import deque
from dataclasses import dataclass

KEPT = 200  # events, and as many calls


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event whose delivery has ended. `time` is the end, in UTC, as ISO 8601."""

    time: str
    hub: str
    connection: str
    name: str
    ce_id: str
    status: int | None  # None without an answer
    failure: str  # why there is no answer; empty with an answer
    attempts: int


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A REST call that was answered. `path` is as it was sent, without the query."""

    time: str
    method: str
    path: str
    status: int


class Journal:
    """The last KEPT events and the last KEPT calls, oldest first."""

    def __init__(self) -> None:
        self.events: deque[EventRecord] = deque(maxlen=KEPT)
        self.calls: deque[CallRecord] = deque(maxlen=KEPT)
