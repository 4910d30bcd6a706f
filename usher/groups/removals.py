"""Removals: the user's connections are closed, or taken out of a group, and kept out.

The ban comes before, so that nothing that starts now can succeed. What was under way is ended by
the second round after 2 s, or by the `connected` event of the connection.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol

from usher.errors import ServiceError, StoreError, UnansweredError, UnknownConnectionError
from usher.groups.announcements import Body
from usher.groups.events import CLOSE_REASON, ConnectionEvent
from usher.groups.outcomes import EVENT_SECONDS
from usher.groups.retries import RetryBudget, call_with_retries
from usher.groups.workflow import Announcer, leave_groups, may_call_again
from usher.logs import log_record
from usher.service.group_list import GroupList
from usher.store.bans import Bans

REPEAT_SECONDS = 2.0  # after the first round began; what was under way is visible by then


class Removed(Protocol):
    """Who is removed, and from where: a request or a ban. `group` is None for the whole hub."""

    @property
    def user_id(self) -> str: ...
    @property
    def group(self) -> str | None: ...
    @property
    def reason(self) -> str: ...


class Service(Protocol):
    """The calls of Web PubSub that removals need. Each raises ServiceError."""

    async def close_user(self, user_id: str, reason: str) -> bool:
        """Close the user's connections in the hub, and return whether there were any."""

    async def find_connection(self, connection_id: str) -> None:
        """Raise UnknownConnectionError if the data plane does not know the connection."""

    async def list_group(self, group: str) -> GroupList:
        """Return the connections of a group."""

    async def remove_connection(self, group: str, connection_id: str) -> None:
        """Take a connection out of a group. Raises UnknownConnectionError."""

    async def revoke_sending(self, connection_id: str, group: str) -> None:
        """Take the permission to send to a group. Raises UnknownConnectionError."""

    async def send_to_connection(self, connection_id: str, body: Body, content_type: str) -> int:
        """Send a message to a connection; return the status. Raises UnknownConnectionError."""


class Remover:
    """Ends connections and memberships of users of a hub."""

    def __init__(self, pubsub: Service, announcer: Announcer, bans: Bans, hub: str) -> None:
        self._pubsub, self._announcer, self._bans, self._hub = pubsub, announcer, bans, hub

    async def remove(self, removed: Removed) -> dict[str, Any]:
        """End what the user has now, and once more after 2 s; return what was ended.

        Raises ServiceError. To call it again is harmless.
        """
        started = time.monotonic()
        budget = RetryBudget(asyncio.get_running_loop().time() + EVENT_SECONDS)
        try:
            ended = await self._end(removed, budget)
        except TimeoutError:
            raise _describe(UnansweredError(f"no result within {EVENT_SECONDS:g} s")) from None
        except ServiceError as error:
            raise _describe(error) from error
        milliseconds = round((time.monotonic() - started) * 1000)
        facts = {"hub": self._hub, "group": removed.group, "userId": removed.user_id, **ended}
        log_record("removal", **facts, retries=budget.retries, milliseconds=milliseconds)
        return ended

    async def is_removed(self, event: ConnectionEvent, group: str) -> bool:
        """Return whether the user was removed; if so, end what slipped through.

        Raises ServiceError or TimeoutError.
        """
        try:
            bans = await self._bans.of_user(event.user_id)
        except StoreError as error:  # `connect` has asked, and refused without an answer
            log_record("bans-down", logging.ERROR, userId=event.user_id, failure=str(error))
            return False
        found = [ban for ban in bans if ban.group in (None, group)]
        budget = RetryBudget(asyncio.get_running_loop().time() + EVENT_SECONDS)
        if found:
            await self._wait_until_visible(event.connection_id, budget)
        for ban in found:
            if ban.group is None:
                await self._close(ban, budget)
            else:
                await self._take_out(ban, group, budget, {event.connection_id})
            log_record(
                "removal",
                hub=self._hub,
                group=ban.group,
                userId=event.user_id,
                connectionId=event.connection_id,
            )
        return bool(found)

    async def _end(self, removed: Removed, budget: RetryBudget) -> dict[str, Any]:
        group, started = removed.group, asyncio.get_running_loop().time()
        if group is None:
            were_any = await self._close(removed, budget)
            await _sleep_until(started + REPEAT_SECONDS)
            return {"connectionsClosed": await self._close(removed, budget) or were_any}
        first, listed = await self._take_out(removed, group, budget)
        leaves = asyncio.create_task(self._announce(removed, group, first, listed))
        try:
            await _sleep_until(started + REPEAT_SECONDS)
            second, _ = await self._take_out(removed, group, budget, known=first)
        finally:
            await leaves
        return {"membershipsEnded": len({*first, *second})}

    async def _wait_until_visible(self, connection_id: str, budget: RetryBudget) -> None:
        """Wait for a new connection: no call would have an effect on it before."""
        with suppress(UnknownConnectionError):  # it has left since
            await call_with_retries(
                lambda: self._pubsub.find_connection(connection_id), may_call_again, budget
            )

    async def _close(self, removed: Removed, budget: RetryBudget) -> bool:
        reason = f"{CLOSE_REASON}: {removed.reason}" if removed.reason else CLOSE_REASON
        return await _retry(lambda: self._pubsub.close_user(removed.user_id, reason), budget)

    async def _take_out(
        self,
        removed: Removed,
        group: str,
        budget: RetryBudget,
        also: Collection[str] = (),
        known: Collection[str] = (),
    ) -> tuple[Sequence[str], GroupList]:
        """Take the user out of the group; return the user's connections, and the list before.

        `also` are connections that the list may not have yet. `known` are connections that have
        got their message.
        """
        listed = await _retry(lambda: self._pubsub.list_group(group), budget)
        user_id = removed.user_id
        found = {one for one, user in listed.connections.items() if user == user_id} | {*also}
        for one in found:
            await self._end_membership(one, group, budget)
            if one not in known:
                await self._notify(one, removed)
        if listed.truncated:
            # The rest of the list may have connections of the user that can still send.
            await self._close(removed, budget)
        return sorted(found), listed

    async def _end_membership(self, one: str, group: str, budget: RetryBudget) -> None:
        # The permission first, and each connection for itself: one that is no longer in the group
        # is in no list, and so nobody would find that it can still send.
        with suppress(UnknownConnectionError):  # it has left since
            await _retry(lambda: self._pubsub.revoke_sending(one, group), budget)
            await _retry(lambda: self._pubsub.remove_connection(group, one), budget)

    async def _notify(self, connection_id: str, removed: Removed) -> None:
        message = {"type": "removed", "group": removed.group, "reason": removed.reason}
        with suppress(ServiceError):  # the removal does not depend on it
            await self._pubsub.send_to_connection(connection_id, message, "application/json")

    async def _announce(
        self, removed: Removed, group: str, connections: Sequence[str], listed: GroupList
    ) -> None:
        """Announce the leave of each connection, which stays open and so has no event."""
        # Not before the removal by the service's clock, whose `as_of` is in whole seconds.
        at = listed.as_of + timedelta(seconds=1)
        events = [
            ConnectionEvent(
                "disconnected",
                self._hub,
                one,
                removed.user_id,
                states={},
                event_id=f"removal-{at.isoformat()}",
                time=at,
                is_removal=True,
            )
            for one in connections
        ]
        leaves = [leave_groups(self._announcer, event, [group]) for event in events]
        await asyncio.gather(*leaves)


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))


async def _retry[T](call: Callable[[], Awaitable[T]], budget: RetryBudget) -> T:
    # Each call is harmless if it is made twice, so every transient failure is retried.
    return await call_with_retries(call, lambda error, _: error.is_transient, budget)


def _describe(error: ServiceError) -> ServiceError:
    members = {
        "step": "end",
        "serviceStatus": error.answered,
        "serviceCode": error.code,
        "done": ["ban"],
        "mayBeDone": error.may_have_acted,
    }
    return error.copy(may_have_acted=error.may_have_acted, members=members)
