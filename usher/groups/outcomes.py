"""The outcome of a join, a leave or a provision call, and its log record."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from usher.errors import ServiceError, UnknownConnectionError
from usher.groups.retries import RetryBudget
from usher.logs import log_record

# Seconds that one event has for all its groups, retries included.
EVENT_SECONDS = 10.0


@dataclass(slots=True)
class Step:
    """A step of the workflow: the status that Web PubSub answered, None without one."""

    status: int | None = None
    milliseconds: int | None = None

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure the block."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.milliseconds = _milliseconds_since(started)

    def describe(self, name: str) -> dict[str, object]:
        """Return the status, and the milliseconds of a timed step, as fields of a log record."""
        timed = {f"{name}Milliseconds": self.milliseconds} if self.milliseconds is not None else {}
        return {f"{name}Status": self.status, **timed}


@dataclass(slots=True)
class Outcome:
    """The outcome of one connection and one group. `record` is join, leave or provision.

    `announced` is the number of announcements in the message that was sent, 0 if another message
    has this announcement, and None before that is known. In the presence format, `lists`,
    `messages` and `snapshots` count the lists that were asked for, and the messages that were sent
    to the group and to newcomers; no list means that another message has this announcement.
    """

    record: str
    hub: str
    group: str
    connection_id: str
    user_id: str | None
    budget: RetryBudget
    add: Step | None = None
    send: Step = field(default_factory=Step)
    announced: int | None = None
    lists: int = 0
    messages: int = 0
    snapshots: int = 0

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Write the outcome to the log when the block ends; an error goes on to the caller."""
        started = time.monotonic()
        try:
            yield
        except UnknownConnectionError:
            self._write(started, logging.INFO, "gone")
            raise
        except ServiceError as error:
            self._write(started, logging.ERROR, str(error))
            raise
        except TimeoutError:
            self._write(started, logging.ERROR, f"no result within {EVENT_SECONDS:g} s")
            raise
        self._write(started, logging.INFO)

    def _write(self, started: float, level: int, failure: str | None = None) -> None:
        fields: dict[str, object] = {
            "hub": self.hub,
            "group": self.group,
            "connectionId": self.connection_id,
            "userId": self.user_id,
            "retries": self.budget.retries,
        }
        fields |= self.add.describe("add") if self.add else {}
        fields |= {"announced": self.announced} if self.announced is not None else {}
        fields |= self._describe_presence() if self.lists else {}
        fields |= self.send.describe("send") | {"milliseconds": _milliseconds_since(started)}
        log_record(self.record, level, **fields, **({"failure": failure} if failure else {}))

    def _describe_presence(self) -> dict[str, object]:
        return {"lists": self.lists, "messages": self.messages, "snapshots": self.snapshots}


def _milliseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
