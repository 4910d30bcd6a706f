"""Faults of event deliveries: lost, duplicated, delayed or reordered. faults.py decides when."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from webpubsub_emulator.deliveries import Delivery
from webpubsub_emulator.events import Event
from webpubsub_emulator.faults import Fault, Faults

_Send: TypeAlias = Callable[[], Awaitable[Delivery]]


class EventFaults:
    """Applies faults to event requests. `started` has the same meaning as in EventHandlers."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._overtaken: dict[str, asyncio.Future[asyncio.Event]] = {}

    @property
    def are_needed(self) -> bool:
        """Whether deliveries must use `deliver`: a fault is active, or one has not ended yet."""
        return bool(self._faults.active or self._overtaken)

    async def deliver(self, event: Event, started: asyncio.Event, send: _Send) -> Delivery:
        """Send the event with `send` once, twice or not at all. The last answer counts."""
        overtaken = self._overtaken.pop(event.connection_id, None)
        if overtaken is not None:
            overtaken.set_result(started)
        if self._strike("event-lost", event):
            return Delivery(failure="fault event-lost")
        await self._hold_back(event, started)
        delivery = await send()
        if self._strike("event-duplicated", event):
            first, delivery = delivery, await send()
            delivery.attempts += first.attempts
        await _wait(self._strike("handler-slow", event))
        return delivery

    async def _hold_back(self, event: Event, started: asyncio.Event) -> None:
        await _wait(self._strike("event-delayed", event))
        # No event can overtake the others: the event after a connect or a user event waits for
        # its answer, and no event follows disconnected.
        is_connected = event.kind == "sys" and event.name == "connected"
        if is_connected and self._strike("event-reordered", event):
            await self._let_overtake(event.connection_id, started)

    async def _let_overtake(self, connection_id: str, started: asyncio.Event) -> None:
        self._overtaken[connection_id] = asyncio.get_running_loop().create_future()
        started.set()
        try:
            next_started = await self._overtaken[connection_id]
        finally:
            self._overtaken.pop(connection_id, None)
        await next_started.wait()

    def _strike(self, name: str, event: Event) -> Fault | None:
        return self._faults.strike(name, event.name)


async def _wait(fault: Fault | None) -> None:
    if fault is not None:
        await asyncio.sleep(fault.ms / 1000)
