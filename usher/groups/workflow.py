"""The workflow `provision-client-and-join-group`: its three steps, and the events that run them.

Step ids and success criteria (200, 200, 202) are those of the public Arazzo workflow.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from usher.errors import ServiceError, TooLargeError, UnknownConnectionError
from usher.groups.announcements import Message, Style, read_news, write_message
from usher.groups.digest import Digests
from usher.groups.events import ConnectionEvent
from usher.groups.retries import Patience, call_again
from usher.logs import log_record
from usher.service.tokens import ClientToken, TokenRequest

# Seconds that one event has for all its groups, retries included.
EVENT_SECONDS = 10.0
# Seconds for which the data plane may not know a connection that was just opened
# (github.com/Azure/azure-webpubsub, issue 199).
RACE_SECONDS = 2.0
# What a step may end in. Of an event's steps nobody can help it, so their record is all.
FAILURES = (ServiceError, TimeoutError)
# Characters that browsers, proxies and front ends surely take in a URL.
LONGEST_URL = 4096


class Minter(Protocol):
    """What the first step needs."""

    async def generate_token(self, request: TokenRequest) -> ClientToken:
        """Mints a client access token. Raises ServiceError where the service is asked for it."""


class PubSub(Minter, Protocol):
    """What the three steps need of Web PubSub. Each call is one request and raises ServiceError."""

    async def add_connection(
        self, group: str, connection_id: str, user_id: str | None = None
    ) -> int:
        """Adds a connection to a group; returns the status that the service answered.

        With a user id only a connection of that user. Raises UnknownConnectionError.
        """

    async def send_message(self, group: str, message: Message) -> int:
        """Sends to a group; returns the status that the service answered."""


async def generate_token(minter: Minter, request: TokenRequest) -> ClientToken:
    """Step 1, `generateToken`. Raises TooLargeError for a URL too long, ServiceError."""
    token = await minter.generate_token(request)
    if len(token.url) > LONGEST_URL:
        is_long_user_id = len(request.user_id or "") > sum(map(len, request.groups))
        raise TooLargeError(
            f"The client's URL may have {LONGEST_URL} characters and would have {len(token.url)}. "
            f"Ask for {'a shorter userId' if is_long_user_id else 'fewer groups'}.",
            field="userId" if is_long_user_id else "group",
        )
    return token


async def add_connection(
    pubsub: PubSub, group: str, connection_id: str, patience: Patience, user_id: str | None = None
) -> int:
    """Step 2, `addConnection`, of that user's connection only where one is named.

    Returns 200; raises ServiceError, TimeoutError at the deadline.
    """
    return await call_again(
        lambda: pubsub.add_connection(group, connection_id, user_id), _may_add_again, patience
    )


async def announce(pubsub: PubSub, group: str, message: Message, patience: Patience) -> int:
    """Step 3, `announceJoin`. Returns 202; raises ServiceError, TimeoutError at the deadline."""
    may_call_again = _may_send_again if isinstance(message, str) else _may_pass
    return await call_again(lambda: pubsub.send_message(group, message), may_call_again, patience)


@dataclass(frozen=True)
class Telling:
    """How groups are told: in which words, and when a crowd is told of as one."""

    style: Style
    digests: Digests


async def join_groups(
    pubsub: PubSub, event: ConnectionEvent, groups: Sequence[str], telling: Telling
) -> None:
    """Adds the connection to each group and then tells the group, newcomer included."""

    async def join(group: str, deadline: float) -> None:
        facts = {**_describe(event, group), "addStatus": None, "sendStatus": None}
        with suppress(*FAILURES), record_outcome("join", facts) as outcome:
            patience = Patience(deadline, outcome)
            with _timed("addMilliseconds", outcome):
                outcome["addStatus"] = await add_connection(
                    pubsub, group, event.connection_id, patience
                )
            await _tell(pubsub, event, group, telling, patience)

    await _in_each(groups, join)


async def leave_groups(
    pubsub: PubSub, event: ConnectionEvent, groups: Sequence[str], telling: Telling
) -> None:
    """Tells each group that the connection is gone; the service has taken it out already."""

    async def leave(group: str, deadline: float) -> None:
        facts = {**_describe(event, group), "sendStatus": None}
        with suppress(*FAILURES), record_outcome("leave", facts) as outcome:
            await _tell(pubsub, event, group, telling, Patience(deadline, outcome))

    if telling.style.template:
        await _in_each(groups, leave)


async def _tell(
    pubsub: PubSub, event: ConnectionEvent, group: str, telling: Telling, patience: Patience
) -> None:
    """Notes the status, and how many joins or leaves the message was about."""
    news = read_news(event, group, telling.style.template, datetime.now(UTC))
    gathered = await telling.digests.gather(news) if news else []
    patience.counts["announced"] = len(gathered)
    if gathered:
        message = write_message(gathered, telling.style)
        with _timed("sendMilliseconds", patience.counts):
            patience.counts["sendStatus"] = await announce(pubsub, group, message, patience)


@contextmanager
def record_outcome(record: str, facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Ends in one log record of the facts, the block's own, and its failure, which goes on."""
    outcome, started = dict(facts), time.monotonic()

    def write(level: int, **failure: str) -> None:
        milliseconds = round((time.monotonic() - started) * 1000)
        log_record(record, level, **outcome, milliseconds=milliseconds, **failure)

    try:
        yield outcome
    except UnknownConnectionError:
        write(logging.INFO, failure="gone")
        raise
    except ServiceError as error:
        write(logging.ERROR, failure=str(error))
        raise
    except TimeoutError:
        write(logging.ERROR, failure=f"not done within {EVENT_SECONDS:g} s")
        raise
    write(logging.INFO)


def _describe(event: ConnectionEvent, group: str) -> dict[str, Any]:
    return {
        "hub": event.hub,
        "group": group,
        "connectionId": event.connection_id,
        "userId": event.user_id,
        "retries": 0,
    }


@contextmanager
def _timed(name: str, outcome: dict[str, Any]) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    finally:
        outcome[name] = round((time.monotonic() - started) * 1000)


async def _in_each(
    groups: Sequence[str], act: Callable[[str, float], Coroutine[Any, Any, None]]
) -> None:
    """Groups do not wait for each other; one deadline holds for all."""
    deadline = asyncio.get_running_loop().time() + EVENT_SECONDS
    await asyncio.gather(*(act(group, deadline) for group in groups))


def _may_add_again(error: ServiceError, elapsed: float) -> bool:
    # Adding twice is harmless, so every failure that may pass is worth another try.
    if isinstance(error, UnknownConnectionError):
        return elapsed < RACE_SECONDS
    return _may_pass(error, elapsed)


def _may_pass(error: ServiceError, _elapsed: float) -> bool:
    # Also for announcements in JSON: their doubles have the same id, and clients drop them.
    return error.answered is None or error.answered in (408, 429) or error.answered >= 500


def _may_send_again(error: ServiceError, _elapsed: float) -> bool:
    # Nobody can tell a text from its double, so only where the service surely did not act.
    return not error.reached or error.answered in (429, 503)
