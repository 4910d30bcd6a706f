"""Asks event handlers whether they accept events, before the first event and again later.

How long an answer is valid is in validations.py.
"""

import asyncio
from collections.abc import Awaitable, Callable

from webpubsub_emulator.deliveries import Delivery
from webpubsub_emulator.upstream import UpstreamRequest, allows, validation_request
from webpubsub_emulator.validations import Validations

VALIDATION_SECONDS = 10.0  # for one validation request with its retries


class Validator:
    """The validation of event handler URLs (CloudEvents 1.0 webhook spec, "Abuse Protection").

    `send` sends a request within a number of seconds. `clock` returns seconds.
    """

    def __init__(
        self,
        origin: str,
        send: Callable[[UpstreamRequest, float], Awaitable[Delivery]],
        clock: Callable[[], float],
    ) -> None:
        self._origin = origin
        self._send = send
        self._clock = clock
        self._validations = Validations()
        self._running: dict[str, asyncio.Task[bool]] = {}

    async def is_allowed(self, url: str) -> bool:
        """Return whether events may be sent to the URL.

        Waits for an answer only if there is none yet, or if the last one is an old failure.
        """
        now = self._clock()
        known = self._validations.known(url, now)
        if self._validations.is_due(url, now) and url not in self._running:
            self._start(url)
        if known is not None:
            return known
        # Shielded, because other events may wait for the same answer when this one is cancelled.
        return await asyncio.shield(self._running[url])

    def _start(self, url: str) -> None:
        self._running[url] = asyncio.create_task(self._validate(url))
        self._running[url].add_done_callback(lambda _: self._running.pop(url))

    async def _validate(self, url: str) -> bool:
        response = (await self._ask("OPTIONS", url)).response
        if response is not None and response.status == 404:
            response = (await self._ask("GET", url)).response
        allowed = response is not None and allows(self._origin, response)
        self._validations.record(url, allowed, self._clock())
        return allowed

    async def _ask(self, method: str, url: str) -> Delivery:
        return await self._send(validation_request(method, url, self._origin), VALIDATION_SECONDS)

    async def close(self) -> None:
        """Cancel the requests that are running."""
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
