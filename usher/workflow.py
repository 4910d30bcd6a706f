"""The workflow `provision-client-and-join-group`: its three steps, and the events that run them.

Step ids and success criteria (200, 200, 202) are those of the public Arazzo workflow.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from usher.announcements import write_announcement
from usher.errors import ServiceError, TooLargeError
from usher.events import ConnectionEvent
from usher.logs import log_record
from usher.retries import call_again
from usher.tokens import ClientToken, TokenRequest

# Seconds that one event has for all its groups, retries included.
EVENT_SECONDS = 10.0
# Seconds for which the data plane may not know a connection that was just opened
# (github.com/Azure/azure-webpubsub, issue 199).
RACE_SECONDS = 2.0
# Characters that browsers, proxies and front ends surely take in a URL.
LONGEST_URL = 4096


class PubSub(Protocol):
    """What the three steps need of Web PubSub. Each call is one request and raises ServiceError."""

    async def generate_token(self, request: TokenRequest) -> ClientToken:
        """Mints a client access token."""

    async def add_connection(self, group: str, connection_id: str) -> int:
        """Adds a connection to a group; returns the status that the service answered."""

    async def send_text(self, group: str, text: str) -> int:
        """Sends text/plain to a group; returns the status that the service answered."""


async def generate_token(pubsub: PubSub, request: TokenRequest) -> ClientToken:
    """Step 1, `generateToken`. Raises TooLargeError for a URL too long, ServiceError."""
    token = await pubsub.generate_token(request)
    if len(token.url) > LONGEST_URL:
        is_long_user_id = len(request.user_id) > sum(map(len, request.groups))
        raise TooLargeError(
            f"The client's URL may have {LONGEST_URL} characters and would have {len(token.url)}. "
            f"Ask for {'a shorter userId' if is_long_user_id else 'fewer groups'}.",
            field="userId" if is_long_user_id else "group",
        )
    return token


async def add_connection(pubsub: PubSub, group: str, connection_id: str, deadline: float) -> int:
    """Step 2, `addConnection`. Returns 200; raises ServiceError, TimeoutError at the deadline."""
    return await call_again(
        lambda: pubsub.add_connection(group, connection_id), _may_add_again, deadline
    )


async def announce(pubsub: PubSub, group: str, text: str, deadline: float) -> int:
    """Step 3, `announceJoin`. Returns 202; raises ServiceError, TimeoutError at the deadline."""
    return await call_again(lambda: pubsub.send_text(group, text), _may_send_again, deadline)


async def join_groups(
    pubsub: PubSub, event: ConnectionEvent, groups: Sequence[str], template: str
) -> None:
    """Adds the connection to each group and then tells the group, newcomer included."""

    async def join(group: str, deadline: float) -> None:
        with _record_outcome("join", event, group) as outcome:
            outcome["addStatus"] = await add_connection(
                pubsub, group, event.connection_id, deadline
            )
            if text := write_announcement(template, event.user_id, group):
                outcome["sendStatus"] = await announce(pubsub, group, text, deadline)

    await _in_each(groups, join)


async def leave_groups(
    pubsub: PubSub, event: ConnectionEvent, groups: Sequence[str], template: str
) -> None:
    """Tells each group that the connection is gone; the service has taken it out already."""

    async def leave(group: str, deadline: float) -> None:
        if text := write_announcement(template, event.user_id, group):
            with _record_outcome("leave", event, group) as outcome:
                outcome["sendStatus"] = await announce(pubsub, group, text, deadline)

    await _in_each(groups, leave)


async def _in_each(
    groups: Sequence[str], act: Callable[[str, float], Coroutine[Any, Any, None]]
) -> None:
    """Groups do not wait for each other; one deadline holds for all."""
    deadline = asyncio.get_running_loop().time() + EVENT_SECONDS
    await asyncio.gather(*(act(group, deadline) for group in groups))


def _may_add_again(error: ServiceError, elapsed: float) -> bool:
    # Adding twice is harmless, so every failure that may pass is worth another try.
    if error.answered == 404:
        return elapsed < RACE_SECONDS
    return error.answered is None or error.answered in (408, 429) or error.answered >= 500


def _may_send_again(error: ServiceError, _elapsed: float) -> bool:
    # Nobody can tell a text from its double, so only where the service surely did not act.
    return not error.reached or error.answered in (429, 503)


@contextmanager
def _record_outcome(
    record: str, event: ConnectionEvent, group: str
) -> Iterator[dict[str, int | None]]:
    """Ends in one log record. A step that failed is told there, and nobody else can help it."""
    outcome: dict[str, int | None] = {"addStatus": None} if record == "join" else {}
    outcome["sendStatus"] = None
    started, level, failure = time.monotonic(), logging.INFO, {}
    try:
        yield outcome
    except ServiceError as error:
        gone = error.answered == 404
        level = logging.INFO if gone else logging.ERROR
        failure = {"failure": "gone" if gone else str(error)}
    except TimeoutError:
        level, failure = logging.ERROR, {"failure": f"not done within {EVENT_SECONDS:g} s"}
    log_record(
        record,
        level,
        hub=event.hub,
        group=group,
        connectionId=event.connection_id,
        userId=event.user_id,
        **outcome,
        milliseconds=round((time.monotonic() - started) * 1000),
        **failure,
    )
