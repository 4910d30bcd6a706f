"""The health of the app: whether Web PubSub answers it, cached for some seconds."""

import asyncio
import logging
import time
from typing import Protocol

from usher.errors import ServiceError, UnhealthyError
from usher.logs import log_record

CACHE_SECONDS = 5.0


class Service(Protocol):
    """The call of Web PubSub that a health check needs."""

    async def check_health(self) -> None:
        """Raise ServiceError if the service does not answer, or does not admit the app."""


class Health:
    """Caches the last result, so that callers of `health` cannot overload the service."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._checked_at = float("-inf")
        self._failure: ServiceError | None = None

    async def check(self, service: Service) -> int:
        """Return the age of the last check in seconds.

        Raises UnhealthyError if that check failed; the log has the reason.
        """
        async with self._lock:
            if time.monotonic() - self._checked_at >= CACHE_SECONDS:
                self._failure = await _check(service)
                self._checked_at = time.monotonic()
        age = int(time.monotonic() - self._checked_at)
        if self._failure is not None:
            # The status is for callers: it distinguishes a wrong key from a missing role.
            raise UnhealthyError(self._failure.answered, age)
        return age


async def _check(service: Service) -> ServiceError | None:
    try:
        await service.check_health()
    except ServiceError as error:
        log_record("health", logging.ERROR, failure=str(error))
        return error
    return None
