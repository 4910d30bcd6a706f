"""The workflow `provision-client-and-join-group`, and the events that run its steps.

The step ids and the success criteria (200, 200, 202) are from the public Arazzo workflow. Step 1,
`generateToken`, is in usher.service.tokens.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

from usher.errors import ServiceError, UnknownConnectionError
from usher.groups.announcements import Announcement, Body, Format, hash_id, write_text
from usher.groups.digest import Digest
from usher.groups.events import ConnectionEvent
from usher.groups.outcomes import EVENT_SECONDS, Outcome, Step
from usher.groups.retries import RetryBudget, call_with_retries

# Seconds for which the data plane may not know a new connection (github.com/Azure/azure-webpubsub,
# issue 199).
RACE_SECONDS = 2.0
# How a step may fail. Nobody can retry a failed step of an event, so only the log reports it.
FAILURES = (ServiceError, TimeoutError)
ANNOUNCEMENT_TYPES = {"connected": "joined", "disconnected": "left"}


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
        lambda: pubsub.add_connection(group, connection_id, user_id), _may_add_again, budget
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


class Announcer:
    """Announces joins and leaves. `templates` has the text of each event, empty for no message."""

    def __init__(
        self, pubsub: PubSub, message_format: Format, templates: Mapping[str, str], digest: Digest
    ) -> None:
        self.pubsub, self.format, self.templates, self.digest = (
            pubsub,
            message_format,
            templates,
            digest,
        )

    async def announce(self, event: ConnectionEvent, outcome: Outcome) -> None:
        """Send the announcement of the event, or a summary of several, or nothing."""
        template = self.templates[event.name]
        announcement = announcement_of(event, outcome.group, template)
        collected = await self.digest.collect(announcement) if announcement.text else []
        outcome.announced = len(collected)
        if collected:
            body = self.format.write(collected, template)
            with outcome.send.timed():
                outcome.send.status = await send_message(
                    self.pubsub, outcome.group, body, self.format, outcome.budget
                )


async def join_groups(announcer: Announcer, event: ConnectionEvent, groups: Sequence[str]) -> None:
    """Add the connection to each group, and then announce the join to the group."""

    async def join(outcome: Outcome) -> None:
        add = outcome.add = Step()
        with suppress(*FAILURES), outcome.recorded():
            with add.timed():
                add.status = await add_connection(
                    announcer.pubsub, outcome.group, event.connection_id, outcome.budget
                )
            await announcer.announce(event, outcome)

    await asyncio.gather(*map(join, _begin("join", event, groups)))


async def leave_groups(announcer: Announcer, event: ConnectionEvent, groups: Sequence[str]) -> None:
    """Announce the leave to each group; the service has already removed the connection."""

    async def leave(outcome: Outcome) -> None:
        with suppress(*FAILURES), outcome.recorded():
            await announcer.announce(event, outcome)

    if announcer.templates[event.name]:
        await asyncio.gather(*map(leave, _begin("leave", event, groups)))


def _begin(record: str, event: ConnectionEvent, groups: Sequence[str]) -> list[Outcome]:
    """Return an outcome for each group, all with the same deadline."""
    deadline = asyncio.get_running_loop().time() + EVENT_SECONDS
    facts = (event.connection_id, event.user_id)
    return [Outcome(record, event.hub, group, *facts, RetryBudget(deadline)) for group in groups]


def announcement_of(event: ConnectionEvent, group: str, template: str) -> Announcement:
    """Return the announcement of an event to a group; its text is empty if the template is."""
    # Hashed, because a connection id is only for callers of the service.
    event_id = hash_id([event.connection_id, group, event.name, event.event_id])
    text = write_text(template, event.user_id, group)
    at = event.time or datetime.now(UTC)
    return Announcement(ANNOUNCEMENT_TYPES[event.name], event_id, group, event.user_id, text, at)


def _may_add_again(error: ServiceError, elapsed: float) -> bool:
    # To add a connection twice is harmless, so every transient failure is retried.
    if isinstance(error, UnknownConnectionError):
        return elapsed < RACE_SECONDS
    return error.is_transient
