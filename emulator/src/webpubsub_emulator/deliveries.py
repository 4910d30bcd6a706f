"""Sending one request until it works, cannot work, or has been tried often enough. No HTTP here."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from webpubsub_emulator.upstream import UpstreamResponse, is_retryable

RETRY_DELAYS = (1.0, 3.0, 5.0)
"""Seconds before the second, third and fourth attempt."""


class NetworkError(Exception):
    """The event handler was not reached, or its answer broke off. Worth another attempt."""


class TransferError(Exception):
    """A request that no HTTP request can be, or an answer that is too long."""


@dataclass(slots=True)
class Delivery:
    """How sending one request went, over all attempts."""

    attempts: int = 0
    response: UpstreamResponse | None = None
    failure: str = ""
    """Why there is no response."""


async def deliver(
    attempt: Callable[[], Awaitable[UpstreamResponse]], delays: Sequence[float], seconds: float
) -> Delivery:
    """Attempt, again after each of the delays, within so many seconds altogether."""
    delivery = Delivery()
    try:
        async with asyncio.timeout(seconds):
            await _attempt_often(attempt, delays, delivery)
    except TimeoutError:
        delivery.response, delivery.failure = None, "timeout"
    return delivery


async def _attempt_often(
    attempt: Callable[[], Awaitable[UpstreamResponse]], delays: Sequence[float], delivery: Delivery
) -> None:
    for delay in (*delays, None):
        delivery.attempts += 1
        try:
            delivery.response = await attempt()
        except NetworkError as error:
            delivery.response, delivery.failure = None, str(error)
        except TransferError as error:
            delivery.response, delivery.failure = None, str(error)
            return
        response = delivery.response
        if delay is None or (response is not None and not is_retryable(response.status)):
            return
        await asyncio.sleep(delay)
