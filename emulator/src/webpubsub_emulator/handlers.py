"""The event handlers of the hubs: finds the one for an event, and delivers the event to it.

Settings are in handler_settings.py, requests and answers in upstream.py, retries in
deliveries.py and abuse protection in validator.py.
"""

import asyncio
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from webpubsub_emulator.deliveries import RETRY_DELAYS, TIMEOUT, Delivery, deliver
from webpubsub_emulator.event_faults import EventFaults
from webpubsub_emulator.events import ConnectAnswer, Event, EventAnswer, Refusal
from webpubsub_emulator.faults import Faults
from webpubsub_emulator.handler_settings import EventHandlerSetting, check_hub_name
from webpubsub_emulator.journal import EventRecord, Journal
from webpubsub_emulator.messages import ErrorDetail
from webpubsub_emulator.transport import Transport
from webpubsub_emulator.upstream import (
    Sender,
    UpstreamRequest,
    build_request,
    read_connect_answer,
    read_event_answer,
)
from webpubsub_emulator.validator import Validator

EVENT_SECONDS = 100.0  # for the delivery of an event with its retries

# How an invocation fails. The names are the ones of failed acks (webpubsub.v1.response.json).
FAILED = ErrorDetail("InternalServerError", "Internal server error")
NO_HANDLER = ErrorDetail("NotFound", "No event handler takes the event.")
TIMED_OUT = ErrorDetail("Timeout", "The event handler did not answer in time.")

_log = logging.getLogger("emulator")


class EventHandlers:
    """The event handlers of each hub. `retry_delays` are seconds, `clock` is for validations.

    Every delivery takes an asyncio.Event and sets it when the request is on its way, or at the
    latest when the delivery ends. With it a caller keeps events in order.
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
        """Append to the hub's list. An event goes to the first event handler that takes it."""
        check_hub_name(hub)
        self._settings[hub.lower()].append(setting)

    def clear(self, hub: str) -> None:
        """Remove all event handlers of the hub."""
        self._settings.pop(hub.lower(), None)

    def settings(self) -> dict[str, tuple[EventHandlerSetting, ...]]:
        """Return the event handlers of each hub that has some, in their order."""
        return {hub: tuple(settings) for hub, settings in self._settings.items() if settings}

    def want(self, hub: str, name: str, group: str) -> bool:
        """Return whether an event handler takes this event of this group."""
        settings = self._settings.get(hub, ())
        return any(setting.group_events.include(name, group) for setting in settings)

    def use(self, transport: Transport) -> None:
        """Send over this transport. The caller closes it after `close`."""
        self._transport = transport

    async def close(self) -> None:
        """Cancel the validations that are running."""
        await self._validator.close()

    async def connect(self, event: Event, started: asyncio.Event) -> ConnectAnswer | Refusal:
        """Ask the app about a connection. Without an event handler every client is accepted."""
        setting = self._find(event)
        if setting is None:
            started.set()
            return ConnectAnswer()
        return read_connect_answer((await self._deliver(event, setting, started)).response)

    async def ask(self, event: Event, started: asyncio.Event) -> EventAnswer | None:
        """Deliver a user event. Return None if it failed or has no event handler."""
        answer = await self.invoke(event, started)
        return answer if isinstance(answer, EventAnswer) else None

    async def invoke(self, event: Event, started: asyncio.Event) -> EventAnswer | ErrorDetail:
        """Deliver a user event. Return why it failed, if it did."""
        setting = self._find(event)
        if setting is None:
            # Differs from Azure: no event listeners. In Azure one that takes the event is enough.
            started.set()
            _log.warning("no event handler: event=%s hub=%s", event.name, event.hub)
            return NO_HANDLER
        delivery = await self._deliver(event, setting, started)
        answer = read_event_answer(delivery.response)
        if answer is None and delivery.response is not None and delivery.response.is_success:
            _log.warning("unreadable answer: event=%s hub=%s", event.name, event.hub)
        return answer or (TIMED_OUT if delivery.failure == TIMEOUT else FAILED)

    async def notify(self, event: Event, started: asyncio.Event) -> None:
        """Deliver an event whose answer has no effect."""
        setting = self._find(event)
        if setting is not None:
            await self._deliver(event, setting, started)
        started.set()

    def _find(self, event: Event) -> EventHandlerSetting | None:
        settings = self._settings.get(event.hub, ())
        return next((setting for setting in settings if setting.takes(event)), None)

    async def _deliver(
        self, event: Event, setting: EventHandlerSetting, started: asyncio.Event
    ) -> Delivery:
        try:
            if await self._validator.is_allowed(setting.url(event.hub, "validate")):
                delivery = await self._post(event, setting.url(event.hub, event.name), started)
            else:
                delivery = Delivery(failure="validation of the event handler failed")
        finally:
            started.set()
        _log_delivery(event, delivery)
        self._journal.events.append(_record(event, delivery))
        return delivery

    async def _post(self, event: Event, url: str, started: asyncio.Event) -> Delivery:
        """Send any event that has an event handler: once, or as an active fault says."""
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
            raise RuntimeError("Call EventHandlers.use() first.")
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
