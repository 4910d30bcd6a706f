"""Event handlers of the hubs: settings, validation and delivery over HTTP with retries.

What the requests contain and what the answers mean is in upstream.py.
"""

import asyncio
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace

import aiohttp
from yarl import URL

from localdev.emulator.events import ConnectAnswer, Event, EventAnswer, Refusal
from localdev.emulator.messages import is_hub_name
from localdev.emulator.upstream import (
    ANSWER_LIMIT,
    Headers,
    Sender,
    UpstreamRequest,
    UpstreamResponse,
    allows,
    build_request,
    check_template,
    is_retryable,
    read_connect_answer,
    read_event_answer,
    resolve_url,
    validation_headers,
)
from localdev.emulator.validations import Validations

RETRY_DELAYS = (1.0, 3.0, 5.0)
"""Seconds before the second, third and fourth attempt."""
EVENT_SECONDS = 100.0
"""The longest time for an event, retries included."""
VALIDATION_SECONDS = 10.0
"""The longest time for one validation request."""

_log = logging.getLogger("emulator")


@dataclass(slots=True)
class _Delivery:
    """How sending one request went, over all attempts."""

    attempts: int = 0
    response: UpstreamResponse | None = None
    failure: str = ""


async def _mark_started(session: object, context: SimpleNamespace, params: object) -> None:
    started = context.trace_request_ctx
    if started is not None:
        started.set()


def open_session() -> aiohttp.ClientSession:
    """A session for events: no cookie is kept, and no event waits for a free connection."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_mark_started)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trace_configs=[trace],
    )


class EventHandlers:
    """The event handler of each hub. `retry_delays` are seconds, `clock` is for validations.

    Every delivery takes an asyncio.Event and sets it when the request is on its way, at the
    latest when the delivery is over; so a caller can keep the order of events.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sender = sender
        self._retry_delays = retry_delays
        self._clock = clock
        self._templates: dict[str, str] = {}
        self._validations = Validations()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._session: aiohttp.ClientSession | None = None

    def add(self, hub: str, url_template: str) -> None:
        """Send all events of the hub there; a hub has one handler, the last one added."""
        # Differs from Azure: no list of handlers with patterns for system and user events.
        if not is_hub_name(hub):
            raise ValueError(f"{hub!r} is not a hub name.")
        check_template(url_template)
        self._templates[hub.lower()] = url_template

    def use(self, session: aiohttp.ClientSession) -> None:
        """Send over this session, which the caller closes."""
        self._session = session

    async def connect(self, event: Event, started: asyncio.Event) -> ConnectAnswer | Refusal:
        """Ask the app about a connection; without an event handler every client may come in."""
        if event.hub not in self._templates:
            started.set()
            return ConnectAnswer()
        return read_connect_answer(await self._deliver(event, started))

    async def ask(self, event: Event, started: asyncio.Event) -> EventAnswer | None:
        """Deliver a user event; None if it failed, also for want of an event handler."""
        if event.hub not in self._templates:
            started.set()
            _log.warning("no event handler: event=%s hub=%s", event.name, event.hub)
            return None
        response = await self._deliver(event, started)
        answer = read_event_answer(response)
        if answer is None and response is not None and response.is_success:
            _log.warning("unreadable answer: event=%s hub=%s", event.name, event.hub)
        return answer

    async def notify(self, event: Event, started: asyncio.Event) -> None:
        """Deliver an event whose answer does not matter."""
        if event.hub in self._templates:
            await self._deliver(event, started)
        started.set()

    async def _deliver(self, event: Event, started: asyncio.Event) -> UpstreamResponse | None:
        delivery = _Delivery()
        try:
            async with asyncio.timeout(EVENT_SECONDS):
                await self._send_event(event, delivery, started)
        except TimeoutError:
            delivery.response, delivery.failure = None, "timeout"
        finally:
            started.set()
        _log_delivery(event, delivery)
        return delivery.response

    async def _send_event(self, event: Event, delivery: _Delivery, started: asyncio.Event) -> None:
        template = self._templates[event.hub]
        if not await self._is_allowed(resolve_url(template, event.hub, "validate")):
            delivery.failure = "validation of the event handler failed"
            return
        request = build_request(event, self._sender, datetime.now(UTC), str(uuid.uuid4()))
        url = resolve_url(template, event.hub, event.name)
        await self._retry(lambda: self._attempt("POST", url, request, started), delivery)

    async def _is_allowed(self, url: str) -> bool:
        # The lock makes events that come at the same time share one validation.
        # Differs from Azure: after 60 s the next event waits for a new validation.
        async with self._locks[url]:
            allowed = self._validations.known(url, self._clock())
            if allowed is None:
                allowed = await self._validate(url)
                self._validations.record(url, allowed, self._clock())
            return allowed

    async def _validate(self, url: str) -> bool:
        response = await self._validation_request("OPTIONS", url)
        if response is not None and response.status == 404:
            response = await self._validation_request("GET", url)
        return response is not None and allows(self._sender.origin, response)

    async def _validation_request(self, method: str, url: str) -> UpstreamResponse | None:
        request = UpstreamRequest(validation_headers(self._sender.origin), b"")

        async def attempt() -> UpstreamResponse:
            async with asyncio.timeout(VALIDATION_SECONDS):
                return await self._attempt(method, url, request, None)

        delivery = _Delivery()
        try:
            await self._retry(attempt, delivery)
        except TimeoutError:
            return None
        return delivery.response

    async def _retry(
        self, attempt: Callable[[], Awaitable[UpstreamResponse]], delivery: _Delivery
    ) -> None:
        """Attempt until it works, cannot work, or has been tried often enough."""
        for delay in (*self._retry_delays, None):
            delivery.attempts += 1
            try:
                delivery.response = await attempt()
            except (aiohttp.ClientError, ConnectionError) as error:
                # The text of the error could show the URL, and with it a code in its query.
                delivery.response, delivery.failure = None, type(error).__name__
            except ValueError:
                # A user id or state that no header can carry, or too long an answer.
                delivery.response, delivery.failure = None, "not transferable"
                return
            response = delivery.response
            if delay is None or (response is not None and not is_retryable(response.status)):
                return
            await asyncio.sleep(delay)

    async def _attempt(
        self, method: str, url: str, request: UpstreamRequest, started: asyncio.Event | None
    ) -> UpstreamResponse:
        if self._session is None:
            raise RuntimeError("EventHandlers.use() comes first.")
        async with self._session.request(
            method,
            URL(url, encoded=True),
            headers=request.headers,
            data=request.body or None,
            allow_redirects=False,
            trace_request_ctx=started,
        ) as response:
            body = await _read_limited(response)
            headers = Headers(tuple(response.headers.items()))
            return UpstreamResponse(response.status, headers, body)


async def _read_limited(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_LIMIT:
            raise ValueError("answer too large")
    return bytes(body)


def _log_delivery(event: Event, delivery: _Delivery) -> None:
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
