"""Announces presence: when a group is listed, and which messages the list becomes.

An instance lists a group at most once a second. It keeps what it waits for in memory, so an
instance that stops loses it; clients notice by the checksum of the next message.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from usher.errors import UnknownConnectionError
from usher.groups import presence
from usher.groups.announcements import Body
from usher.groups.events import ConnectionEvent
from usher.groups.outcomes import Outcome
from usher.groups.presence import Changes
from usher.groups.retries import RetryBudget, call_with_retries
from usher.service.group_list import GroupList

CONTENT_TYPE = "application/json"
WINDOW_SECONDS = 1.0  # between two lists of a group
MOST_MISSES = 2  # stale lists that are corrected; the third one is believed
MOST_REMEMBERED = 10_000  # groups; the oldest is forgotten first


class PresenceService(Protocol):
    """The calls of Web PubSub that presence needs. Each raises ServiceError."""

    async def list_group(self, group: str) -> GroupList:
        """Return the connections of a group."""

    async def send_to_group(self, group: str, body: Body, content_type: str) -> int:
        """Send a message to a group and return the service's status."""

    async def send_to_connection(self, connection_id: str, body: Body, content_type: str) -> int:
        """Send a message to a connection; return the status. Raises UnknownConnectionError."""


@dataclass(slots=True)
class _Batch:
    """The changes that share the list which starts at `due`."""

    due: float
    changes: Changes = field(default_factory=Changes)
    is_open: bool = True  # its list has not begun


class PresenceAnnouncer:
    """Announces who is in a group. A leave waits `grace` seconds, because a reload takes a while.

    When more than `crowd` connections join within a second, one message has the users of the whole
    list, instead of one snapshot for each newcomer. `crowd` 0 never does this.
    """

    def __init__(self, pubsub: PresenceService, grace: float, crowd: int) -> None:
        self._pubsub, self._grace, self._crowd = pubsub, grace, crowd
        self._batches: dict[str, list[_Batch]] = {}  # of each group, in the order of `due`

    def announces(self, event_name: str) -> bool:
        """Return True: no empty text turns presence off."""
        return True

    async def announce(self, event: ConnectionEvent, outcome: Outcome) -> None:
        """Wait for the list that this event needs, and send what it says; or let another do it."""
        changes = self._read(event, outcome.group)
        delay = 0.0 if changes.joined else self._grace
        while changes:
            batch = await self._collect(changes, delay, outcome)
            outcome.announced = outcome.announced or len(batch)
            changes = await self._send(batch, outcome) if batch else batch
            delay = WINDOW_SECONDS

    def _read(self, event: ConnectionEvent, group: str) -> Changes:
        change = {event.connection_id: event.user_id or ""}
        if event.name != "connected":
            return Changes(left=change)
        # The join announces the user, so the user's leaves need no message of their own.
        returned = Changes(joined=change)
        for batch in self._batches.get(group, ()):
            returned.left |= batch.changes.take_leaves_of(event.user_id or "")
        return returned

    async def _collect(self, changes: Changes, delay: float, outcome: Outcome) -> Changes:
        """Return the changes to announce now; nothing if another handler announces them."""
        now = asyncio.get_running_loop().time()
        batch, is_new = self._find_batch(outcome.group, now, now + delay)
        batch.changes.add(changes)
        if not is_new:
            return Changes()
        outcome.budget.deadline += batch.due - now
        await asyncio.sleep(batch.due - now)
        batch.is_open = False
        return batch.changes

    def _find_batch(self, group: str, now: float, due: float) -> tuple[_Batch, bool]:
        """Return the batch for a change that must not be listed before `due`, and if it is new."""
        batches = [one for one in self._batches.pop(group, ()) if one.due > now - WINDOW_SECONDS]
        self._batches[group] = batches
        if len(self._batches) > MOST_REMEMBERED:
            del self._batches[next(iter(self._batches))]
        for batch in batches:
            if due <= batch.due < due + WINDOW_SECONDS and batch.is_open:
                return batch, False
            if due - WINDOW_SECONDS < batch.due <= due:
                due = batch.due + WINDOW_SECONDS
        batch = _Batch(due)
        batches.append(batch)
        batches.sort(key=lambda one: one.due)
        return batch, True

    async def _send(self, changes: Changes, outcome: Outcome) -> Changes:
        """List the group and send what it says. Return the changes that the list does not show."""
        group = outcome.group
        outcome.lists += 1
        listed = await _retry(lambda: self._pubsub.list_group(group), outcome.budget)
        missing = changes.find_missing(listed, MOST_MISSES)
        corrected = changes.correct(listed, missing)
        snapshot = presence.write_snapshot(group, corrected)
        if 0 < self._crowd < len(changes.joined):
            await self._send_to_group(snapshot, outcome)
        else:
            message = presence.write_changes(group, corrected, changes.users)
            await _run_all(
                self._send_to_group(message, outcome),
                *(self._send_to_connection(one, snapshot, outcome) for one in changes.joined),
            )
        return missing

    async def _send_to_group(self, body: Body, outcome: Outcome) -> None:
        with outcome.send.timed():
            outcome.send.status = await _retry(
                lambda: self._pubsub.send_to_group(outcome.group, body, CONTENT_TYPE),
                outcome.budget,
            )
        outcome.messages += 1

    async def _send_to_connection(self, one: str, body: Body, outcome: Outcome) -> None:
        with suppress(UnknownConnectionError):  # it has left since
            await _retry(
                lambda: self._pubsub.send_to_connection(one, body, CONTENT_TYPE), outcome.budget
            )
            outcome.snapshots += 1


async def _run_all(*calls: Awaitable[None]) -> None:
    """Run all calls to their end, and then raise the first error."""
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if result is not None:
            raise result


async def _retry[T](call: Callable[[], Awaitable[T]], budget: RetryBudget) -> T:
    # To send a state twice is harmless, so every transient failure is retried.
    return await call_with_retries(call, lambda error, _: error.is_transient, budget)
