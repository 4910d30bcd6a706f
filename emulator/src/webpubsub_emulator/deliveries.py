"""Retries of one request to an event handler. No HTTP here."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from webpubsub_emulator.upstream import UpstreamResponse, is_retryable

TIMEOUT = "timeout"  # the failure of a delivery that took too long
RETRY_DELAYS = (1.0, 3.0, 5.0)  # seconds before the second, third and fourth attempt


class NetworkError(Exception):
    """The event handler was not reached, or its answer was cut short. A retry may work."""


class TransferError(Exception):
    """The request cannot be sent over HTTP, or the answer is too long. A retry cannot work."""


@dataclass(slots=True)
class Delivery:
    """The outcome of one request over all its attempts."""

    attempts: int = 0
    response: UpstreamResponse | None = None
    failure: str = ""  # why there is no response


async def deliver(
    attempt: Callable[[], Awaitable[UpstreamResponse]], delays: Sequence[float], seconds: float
) -> Delivery:
    """Attempt, and retry after each of the delays, within a number of seconds in total."""
    delivery = Delivery()
    try:
        async with asyncio.timeout(seconds):
            await _attempt_repeatedly(attempt, delays, delivery)
    except TimeoutError:
        delivery.response, delivery.failure = None, TIMEOUT
    return delivery


async def _attempt_repeatedly(
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
