"""The event handlers of the hubs: which one gets an event, whether it may, and its delivery.

Settings are in handler_settings.py, what requests and answers mean is in upstream.py, and how
often a request is tried in deliveries.py.
"""

import asyncio
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from webpubsub_emulator.deliveries import RETRY_DELAYS, Delivery, deliver
from webpubsub_emulator.event_faults import EventFaults
from webpubsub_emulator.events import ConnectAnswer, Event, EventAnswer, Refusal
from webpubsub_emulator.faults import Faults
from webpubsub_emulator.handler_settings import EventHandlerSetting, check_hub_name
from webpubsub_emulator.journal import EventRecord, Journal
from webpubsub_emulator.transport import Transport
from webpubsub_emulator.upstream import (
    Sender,
    UpstreamRequest,
    UpstreamResponse,
    build_request,
    read_connect_answer,
    read_event_answer,
)
from webpubsub_emulator.validator import Validator

EVENT_SECONDS = 100.0
"""The longest time for the delivery of an event, retries included."""

_log = logging.getLogger("emulator")


class EventHandlers:
    """The event handlers of each hub. `retry_delays` are seconds, `clock` is for validations.

    Every delivery takes an asyncio.Event and sets it when the request is on its way, at the
    latest when the delivery is over; so a caller can keep the order of events.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        clock: Callable[[], float] = time.monotonic,
        faults: Faults | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._sender = sender
        self._faults = EventFaults(faults or Faults())
        self._journal = journal or Journal()
        self._retry_delays = retry_delays
        self._settings: defaultdict[str, list[EventHandlerSetting]] = defaultdict(list)
        self._validator = Validator(sender.origin, self._send, clock)
        self._transport: Transport | None = None

    def add(self, hub: str, setting: EventHandlerSetting) -> None:
        """Append to the hub's list; an event goes to the first that takes it."""
        check_hub_name(hub)
        self._settings[hub.lower()].append(setting)

    def clear(self, hub: str) -> None:
        """Take all of the hub's away."""
        self._settings.pop(hub.lower(), None)

    def settings(self) -> dict[str, tuple[EventHandlerSetting, ...]]:
        """Those of each hub that has some, in their order."""
        return {hub: tuple(settings) for hub, settings in self._settings.items() if settings}

    def use(self, transport: Transport) -> None:
        """Send over this transport, which the caller closes, after `close`."""
        self._transport = transport

    async def close(self) -> None:
        """Give up the validations that are under way."""
        await self._validator.close()

    async def connect(self, event: Event, started: asyncio.Event) -> ConnectAnswer | Refusal:
        """Ask the app about a connection; without an event handler every client may come in."""
        setting = self._find(event)
        if setting is None:
            started.set()
            return ConnectAnswer()
        return read_connect_answer(await self._deliver(event, setting, started))

    async def ask(self, event: Event, started: asyncio.Event) -> EventAnswer | None:
        """Deliver a user event; None if it failed, also for want of an event handler."""
        setting = self._find(event)
        if setting is None:
            # Differs from Azure: no event listeners; there one that takes the event is enough.
            started.set()
            _log.warning("no event handler: event=%s hub=%s", event.name, event.hub)
            return None
        response = await self._deliver(event, setting, started)
        answer = read_event_answer(response)
        if answer is None and response is not None and response.is_success:
            _log.warning("unreadable answer: event=%s hub=%s", event.name, event.hub)
        return answer

    async def notify(self, event: Event, started: asyncio.Event) -> None:
        """Deliver an event whose answer does not matter."""
        setting = self._find(event)
        if setting is not None:
            await self._deliver(event, setting, started)
        started.set()

    def _find(self, event: Event) -> EventHandlerSetting | None:
        settings = self._settings.get(event.hub, ())
        return next((setting for setting in settings if setting.takes(event)), None)

    async def _deliver(
        self, event: Event, setting: EventHandlerSetting, started: asyncio.Event
    ) -> UpstreamResponse | None:
        try:
            if await self._validator.is_allowed(setting.url(event.hub, "validate")):
                delivery = await self._post(event, setting.url(event.hub, event.name), started)
            else:
                delivery = Delivery(failure="validation of the event handler failed")
        finally:
            started.set()
        _log_delivery(event, delivery)
        self._journal.events.append(_record(event, delivery))
        return delivery.response

    async def _post(self, event: Event, url: str, started: asyncio.Event) -> Delivery:
        """Every event of every kind that has an event handler goes out here, once.

        Under faults it may go out otherwise: event_faults.py.
        """
        request = build_request(event, self._sender, url, datetime.now(UTC), str(uuid.uuid4()))

        def send() -> Coroutine[Any, Any, Delivery]:
            return self._send(request, EVENT_SECONDS, started)

        if self._faults.are_needed:
            delivery = await self._faults.deliver(event, started, send)
        else:
            delivery = await send()
        if delivery.response is not None and delivery.response.is_success:
            event.cookies.keep(url, delivery.response.headers.all("Set-Cookie"))
        return delivery

    async def _send(
        self, request: UpstreamRequest, seconds: float, started: asyncio.Event | None = None
    ) -> Delivery:
        transport, on_its_way = self._transport, started or asyncio.Event()
        if transport is None:
            raise RuntimeError("EventHandlers.use() comes first.")
        return await deliver(
            lambda: transport.send(request, on_its_way), self._retry_delays, seconds
        )


def _log_delivery(event: Event, delivery: Delivery) -> None:
    response = delivery.response
    _log.log(
        logging.INFO if response is not None and response.is_success else logging.WARNING,
        "event=%s hub=%s connection=%s status=%s attempts=%d",
        event.name,
        event.hub,
        event.connection_id,
        response.status if response is not None else f"none ({delivery.failure})",
        delivery.attempts,
    )


def _record(event: Event, delivery: Delivery) -> EventRecord:
    response = delivery.response
    return EventRecord(
        time=datetime.now(UTC).isoformat(),
        hub=event.hub,
        connection=event.connection_id,
        name=event.name,
        ce_id=str(event.number),
        status=None if response is None else response.status,
        failure=delivery.failure if response is None else "",
        attempts=delivery.attempts,
    )
