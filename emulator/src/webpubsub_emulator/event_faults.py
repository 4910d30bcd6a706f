"""Deliveries of events under faults: lost, doubled, late, out of order. Which, is in faults.py."""

import asyncio
from collections.abc import Awaitable, Callable

from webpubsub_emulator.deliveries import Delivery
from webpubsub_emulator.events import Event
from webpubsub_emulator.faults import Fault, Faults

_Send = Callable[[], Awaitable[Delivery]]


class EventFaults:
    """What becomes of each event request. `started` is as in EventHandlers."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._overtaken: dict[str, asyncio.Future[asyncio.Event]] = {}

    @property
    def are_needed(self) -> bool:
        """Whether deliveries must go through here: faults are active, or one still lasts."""
        return bool(self._faults.active or self._overtaken)

    async def deliver(self, event: Event, started: asyncio.Event, send: _Send) -> Delivery:
        """Have the event sent by `send` once, twice or not at all. The last answer counts."""
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
        # Other events have none behind them that could overtake: the next one waits for the
        # answer to connect or to a user event, and nothing follows disconnected.
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
