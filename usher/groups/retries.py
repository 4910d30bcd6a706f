"""Retries of failed calls, within a deadline. Knows nothing about the calls."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from usher.errors import ServiceError

FIRST_WAIT = 0.1  # seconds; doubled each time, and shortened at random so that calls spread
LONGEST_WAIT = 2.0

# Decides by the error, and by the seconds since the first call, whether to call again.
type RetryRule = Callable[[ServiceError, float], bool]


@dataclass(slots=True)
class RetryBudget:
    """A deadline, by the running loop's clock, and the retries that were made."""

    deadline: float
    retries: int = 0


async def call_with_retries[T](
    call: Callable[[], Awaitable[T]], may_retry: RetryRule, budget: RetryBudget
) -> T:
    """Call until it succeeds, an error forbids a retry, or the next wait would pass the deadline.

    Raises the last ServiceError, or TimeoutError at the deadline. The error's `may_have_acted` is
    True if one of the calls may have taken effect.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with asyncio.timeout_at(budget.deadline):
        failures, may_have_acted = 0, False
        while True:
            try:
                return await call()
            except ServiceError as error:
                may_have_acted = may_have_acted or error.may_have_acted
                wait = _wait_after(failures, error)
                is_late = loop.time() + wait >= budget.deadline
                if is_late or not may_retry(error, loop.time() - started):
                    if may_have_acted == error.may_have_acted:
                        raise
                    raise error.copy(may_have_acted=may_have_acted) from error
            budget.retries += 1
            await asyncio.sleep(wait)
            failures += 1


def _wait_after(failures: int, error: ServiceError) -> float:
    if error.retry_after is not None:
        return error.retry_after
    longest = min(FIRST_WAIT * 2**failures, LONGEST_WAIT)
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, guards nothing
