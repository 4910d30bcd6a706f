"""Whether the app can do its job, remembered for some seconds."""

import asyncio
import logging
import time
from typing import Protocol

from usher.errors import NotReadyError, ServiceError
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
        self._problem: str | None = None

    async def check(self, service: Service) -> None:
        """Raises NotReadyError where the last check failed; the log has the reason."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= REMEMBERED_SECONDS:
                self._problem = await _ask(service)
                self._checked_at = time.monotonic()
        if self._problem is not None:
            raise NotReadyError(self._problem)


async def _ask(service: Service) -> str | None:
    """What callers may know of the failure: the status tells a wrong key from a missing role."""
    try:
        await service.check_health()
    except ServiceError as error:
        log_record("health", logging.ERROR, failure=str(error))
        if error.answered is None:
            return "Web PubSub does not answer."
        return f"Web PubSub answers this app with {error.answered}."
    return None
