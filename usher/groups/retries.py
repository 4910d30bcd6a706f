"""Calls again where that is safe, within a deadline. Knows nothing of what is called."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from usher.errors import ServiceError

FIRST_WAIT = 0.1  # seconds; doubled each time, and shortened at random so that a crowd spreads
LONGEST_WAIT = 2.0


@dataclass(frozen=True)
class Patience:
    """Until when calls are tried again, by the running loop's clock, and where that is counted."""

    deadline: float
    counts: dict[str, Any] = field(default_factory=dict)

    def count_retry(self) -> None:
        """One more, as `retries`."""
        self.counts["retries"] = self.counts.get("retries", 0) + 1


async def call_again[T](
    call: Callable[[], Awaitable[T]],
    may_call_again: Callable[[ServiceError, float], bool],
    patience: Patience,
) -> T:
    """Calls until an answer, an error that forbids another call, or no time for one.

    `may_call_again` is given the error and the seconds since the first call. Raises the last
    ServiceError, or TimeoutError at the deadline; the error tells of all calls whether one may
    have acted.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with asyncio.timeout_at(patience.deadline):
        failures, may_have_acted = 0, False
        while True:
            try:
                return await call()
            except ServiceError as error:
                may_have_acted = error.may_have_acted = may_have_acted or error.may_have_acted
                wait = _wait_after(failures, error)
                is_late = loop.time() + wait >= patience.deadline
                if is_late or not may_call_again(error, loop.time() - started):
                    raise
            patience.count_retry()
            await asyncio.sleep(wait)
            failures += 1


def _wait_after(failures: int, error: ServiceError) -> float:
    if error.retry_after is not None:
        return error.retry_after
    longest = min(FIRST_WAIT * 2**failures, LONGEST_WAIT)
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, guards nothing
