"""Whether the app can do its job, remembered for some seconds."""

import asyncio
import time
from typing import Protocol

from usher.errors import ServiceError

REMEMBERED_SECONDS = 5.0


class Service(Protocol):
    """What a health check asks."""

    async def check_health(self) -> None:
        """Raises ServiceError where the service does not answer its health call."""


class Health:
    """Remembers the last answer, so that callers of `health` cannot load the service."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._checked_at = float("-inf")
        self._failure: ServiceError | None = None

    async def check(self, service: Service) -> None:
        """Raises the ServiceError of the last check."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= REMEMBERED_SECONDS:
                self._failure = await _ask(service)
                self._checked_at = time.monotonic()
        if self._failure:
            raise self._failure


async def _ask(service: Service) -> ServiceError | None:
    try:
        await service.check_health()
    except ServiceError as error:
        return error
    return None
