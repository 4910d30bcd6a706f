"""Announces presence: when a group is listed, and which messages the list becomes.

An instance lists a group at most once a second. It keeps what it waits for in memory, so an
instance that stops loses it; clients notice by the checksum of the next message.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from usher.errors import UnknownConnectionError
from usher.groups import presence
from usher.groups.announcements import Body
from usher.groups.events import ConnectionEvent
from usher.groups.outcomes import Outcome
from usher.groups.presence import Change
from usher.groups.retries import RetryBudget, call_with_retries
from usher.service.group_list import GroupList

CONTENT_TYPE = "application/json"
WINDOW_SECONDS = 1.0  # between two lists of a group
MOST_MISSES = 2  # stale lists of one change; the third list is believed
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
    changes: list[Change] = field(default_factory=list)
    is_open: bool = True  # its list has not begun

    def drop_superseded(self, change: Change) -> None:
        self.changes = [one for one in self.changes if not change.supersedes(one)]


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
        change = _read(event)
        for waiting in self._batches.get(outcome.group, ()):
            waiting.drop_superseded(change)
        # Who was removed does not come back: the grace is for reloads.
        changes, delay = [change], 0.0 if change.is_join or change.is_removal else self._grace
        while changes:
            batch = await self._collect(changes, delay, outcome)
            changes = await self._send(batch, outcome) if batch else []
            delay = WINDOW_SECONDS

    async def _collect(self, changes: list[Change], delay: float, outcome: Outcome) -> list[Change]:
        """Return the changes to announce now; nothing if another handler announces them."""
        now = asyncio.get_running_loop().time()
        batch, is_new = self._find_batch(outcome.group, now, now + delay)
        batch.changes += changes
        outcome.announced = outcome.announced or 0
        if not is_new:
            return []
        outcome.budget.deadline += batch.due - now
        try:
            await asyncio.sleep(batch.due - now)
        finally:
            batch.is_open, collected, batch.changes = False, batch.changes, []
        return collected

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

    async def _send(self, changes: list[Change], outcome: Outcome) -> list[Change]:
        """List the group and send what it says. Return the changes to look for in the next list."""
        outcome.lists += 1
        listed = await _retry(lambda: self._pubsub.list_group(outcome.group), outcome.budget)
        missed = [one for one in changes if not one.is_shown(listed)]
        # Only the first stale list is corrected: the correction must be older than a later truth.
        listed = presence.correct(listed, [one for one in changes if not one.misses])
        unsure = [one for one in missed if not _is_settled(one)]
        known = [one for one in changes if one not in unsure]
        outcome.announced = outcome.announced or len(known)
        # Nobody says that a user is gone of whom a newcomer may be missing in the list.
        doubtful = {one.user for one in unsure} - {*listed.connections.values()}
        users = {one.user for one in known} - doubtful
        newcomers = [one.connection_id for one in known if one.is_join]
        await self._send_messages(listed, users, newcomers, outcome)
        return [replace(one, misses=one.misses + 1) for one in missed if one.misses < MOST_MISSES]

    async def _send_messages(
        self, listed: GroupList, users: Set[str], newcomers: Sequence[str], outcome: Outcome
    ) -> None:
        group = outcome.group
        if 0 < self._crowd < len(newcomers):
            message = presence.write_snapshot(group, listed, users)
            await self._send_to_group(message, outcome)
            return
        snapshot = presence.write_snapshot(group, listed)
        calls = [self._send_to_connection(one, snapshot, outcome) for one in newcomers]
        if users:
            message = presence.write_changes(group, listed, users)
            calls.append(self._send_to_group(message, outcome))
        await _run_all(calls)

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


def _read(event: ConnectionEvent) -> Change:
    return Change(
        event.connection_id,
        event.user_id or "",
        event.name == "connected",
        event.time,
        is_removal=event.is_removal,
    )


def _is_settled(missed: Change) -> bool:
    """Return whether to announce a change that the list does not show.

    It is announced when the list is corrected, and when the last list still has a connection that
    left: then it is there again. A newcomer that no list has left again, with an event of its own.
    """
    return not missed.misses or (missed.misses == MOST_MISSES and not missed.is_join)


async def _run_all(calls: Iterable[Awaitable[None]]) -> None:
    """Run all calls to their end, and then raise the first error."""
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if result is not None:
            raise result


async def _retry[T](call: Callable[[], Awaitable[T]], budget: RetryBudget) -> T:
    # To send a state twice is harmless, so every transient failure is retried.
    return await call_with_retries(call, lambda error, _: error.is_transient, budget)
