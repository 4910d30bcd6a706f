"""The workflow `provision-client-and-join-group`, and the events that run its steps.

The step ids and the success criteria (200, 200, 202) are from the public Arazzo workflow. Step 1,
`generateToken`, is in usher.service.tokens.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from usher.errors import ServiceError, UnknownConnectionError
from usher.groups.announcements import Body, Format
from usher.groups.events import ConnectionEvent
from usher.groups.outcomes import EVENT_SECONDS, Outcome, Step
from usher.groups.retries import RetryBudget, call_with_retries

# Seconds for which the data plane may not know a new connection (github.com/Azure/azure-webpubsub,
# issue 199).
RACE_SECONDS = 2.0
# How a step may fail. Nobody can retry a failed step of an event, so only the log reports it.
FAILURES = (ServiceError, TimeoutError)

# An add that ends within this time after the bans were read precedes the second round of every
# removal that the read did not see (removals.REPEAT_SECONDS).
SURE_SECONDS = 1.0
# Returns whether the event's user was removed from the hub or from this group; raises FAILURES.
type IsRemoved = Callable[[ConnectionEvent, str], Awaitable[bool]]


class PubSub(Protocol):
    """The calls of Web PubSub that the steps need. Each is one request and raises ServiceError."""

    async def add_connection(
        self, group: str, connection_id: str, user_id: str | None = None
    ) -> int:
        """Add a connection to a group and return the service's status.

        With a user id, add only a connection of this user. Raises UnknownConnectionError.
        """

    async def send_to_group(self, group: str, body: Body, content_type: str) -> int:
        """Send a message to a group and return the service's status."""


async def add_connection(
    pubsub: PubSub, group: str, connection_id: str, budget: RetryBudget, user_id: str | None = None
) -> int:
    """Run step 2, `addConnection`; with a user id, only for a connection of this user.

    Returns 200. Raises ServiceError, or TimeoutError at the deadline.
    """
    return await call_with_retries(
        lambda: pubsub.add_connection(group, connection_id, user_id), may_call_again, budget
    )


async def send_message(
    pubsub: PubSub, group: str, body: Body, message_format: Format, budget: RetryBudget
) -> int:
    """Run step 3, `announceJoin`. Returns 202. Raises as `add_connection`."""
    return await call_with_retries(
        lambda: pubsub.send_to_group(group, body, message_format.content_type),
        lambda error, _: message_format.may_send_again(error),
        budget,
    )


class Announcer(Protocol):
    """Announces joins and leaves to groups."""

    def announces(self, event_name: str) -> bool:
        """Return whether events of this name are announced at all."""

    async def announce(self, event: ConnectionEvent, outcome: Outcome) -> None:
        """Announce the event to the outcome's group. Raises ServiceError or TimeoutError."""


async def join_groups(
    pubsub: PubSub,
    announcer: Announcer,
    event: ConnectionEvent,
    groups: Sequence[str],
    is_removed: IsRemoved | None = None,
) -> None:
    """Add the connection to each group, and then announce the join, unless the user was removed."""

    loop = asyncio.get_running_loop()

    async def join(outcome: Outcome) -> None:
        add = outcome.add = Step()
        with suppress(*FAILURES), outcome.recorded():
            asked_at = loop.time()
            if is_removed and await is_removed(event, outcome.group):
                return
            with add.timed():
                add.status = await add_connection(
                    pubsub, outcome.group, event.connection_id, outcome.budget
                )
            is_late = loop.time() - asked_at > SURE_SECONDS
            if is_removed and is_late and await is_removed(event, outcome.group):
                return
            await announcer.announce(event, outcome)

    await asyncio.gather(*map(join, _begin("join", event, groups)))


async def leave_groups(announcer: Announcer, event: ConnectionEvent, groups: Sequence[str]) -> None:
    """Announce the leave to each group; the service has already removed the connection."""

    async def leave(outcome: Outcome) -> None:
        with suppress(*FAILURES), outcome.recorded():
            await announcer.announce(event, outcome)

    if announcer.announces(event.name):
        await asyncio.gather(*map(leave, _begin("leave", event, groups)))


def _begin(record: str, event: ConnectionEvent, groups: Sequence[str]) -> list[Outcome]:
    """Return an outcome for each group, all with the same deadline."""
    deadline = asyncio.get_running_loop().time() + EVENT_SECONDS
    facts = (event.connection_id, event.user_id)
    return [Outcome(record, event.hub, group, *facts, RetryBudget(deadline)) for group in groups]


def may_call_again(error: ServiceError, elapsed: float) -> bool:
    """Return whether to repeat a call about a new connection, which is harmless if made twice."""
    if isinstance(error, UnknownConnectionError):
        return elapsed < RACE_SECONDS
    return error.is_transient
