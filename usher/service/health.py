"""Whether the app can do its job, remembered for some seconds."""

import asyncio
import logging
import time
from typing import Protocol

from usher.errors import ServiceError, UnhealthyError
from usher.logs import log_record

REMEMBERED_SECONDS = 5.0


class Service(Protocol):
    """What a health check asks."""

    async def check_health(self) -> None:
        """Raises ServiceError where the service does not answer, or does not let the app in."""


class Health:
    """Remembers the last answer, so that callers of `health` cannot load the service."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._checked_at = float("-inf")
        self._failure: UnhealthyError | None = None

    async def check(self, service: Service) -> None:
        """Raises UnhealthyError where the last check failed; the log has the reason."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= REMEMBERED_SECONDS:
                self._failure = await _ask(service)
                self._checked_at = time.monotonic()
        if self._failure is not None:
            raise self._failure.with_traceback(None)


async def _ask(service: Service) -> UnhealthyError | None:
    """What callers may know of the failure: the status tells a wrong key from a missing role."""
    try:
        await service.check_health()
    except ServiceError as error:
        log_record("health", logging.ERROR, failure=str(error))
        return UnhealthyError(error.answered)
    return None
