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

    @property
    def is_failure(self) -> bool:
        """Whether nobody meant this outcome.

        A refused client is the app's decision, and a fault is the test's.
        """
        if self.status is None:
            return not self.failure.startswith("fault ")
        is_refusal = self.name == "connect" and 400 <= self.status < 500
        return not (200 <= self.status < 300 or is_refusal)

    def __str__(self) -> str:
        """Return the outcome on one line."""
        outcome = self.failure if self.status is None else f"status {self.status}"
        return f"event {self.name}: {outcome} (attempts: {self.attempts})"


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A REST call that was answered. `path` is as it was sent, without the query."""

    time: str
    method: str
    path: str
    status: int


class Journal:
    """The last events and the last calls, oldest first. With None it keeps all of them."""

    def __init__(self, kept: int | None = KEPT) -> None:
        self.events: deque[EventRecord] = deque(maxlen=kept)
        self.calls: deque[CallRecord] = deque(maxlen=kept)
