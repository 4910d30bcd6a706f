"""One emulated Web PubSub resource: its settings, its listening socket and its lifetime."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from aiohttp import web

from webpubsub_emulator.control import Control
from webpubsub_emulator.deliveries import RETRY_DELAYS
from webpubsub_emulator.faults import Faults
from webpubsub_emulator.handler_settings import SYSTEM_EVENTS, EventHandlerSetting
from webpubsub_emulator.handlers import EventHandlers
from webpubsub_emulator.http_logs import server_logger
from webpubsub_emulator.journal import Journal
from webpubsub_emulator.rest import DataPlane
from webpubsub_emulator.service import RETENTION_SECONDS, Service
from webpubsub_emulator.sockets import ClientEndpoint
from webpubsub_emulator.tokens import ACCESS_KEY, check_access_key
from webpubsub_emulator.transport import open_transport
from webpubsub_emulator.upstream import Sender

HOST = "127.0.0.1"
STOP_SECONDS = 2.0
"""How long requests may still take when the emulator stops."""
BACKLOG = 4096
"""Connections that may wait to be accepted: with aiohttp's 128 a crowd's wait for TCP's retries."""


class Emulator:
    """One Web PubSub resource on 127.0.0.1.

    An async context manager that can be used once: it listens when it is entered, OSError if
    the port is taken, and leaves nothing running. With port 0 the system picks a port, and
    `endpoint` is right once it listens. `retry_delays` are the seconds between the attempts
    to deliver an event, `retention_seconds` the time in which a reliable client can recover.
    `faults` happen from the start; with `control` they can be changed while it runs (control.py).
    """

    def __init__(
        self,
        *,
        port: int = 0,
        access_key: str = ACCESS_KEY,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        retention_seconds: float = RETENTION_SECONDS,
        faults: Faults | None = None,
        control: bool = False,
    ) -> None:
        check_access_key(access_key)
        self._port = port
        self._access_key = access_key
        self._retention_seconds = retention_seconds
        sender = Sender(origin=HOST, access_key=access_key)
        self._faults = faults or Faults()
        self._has_control = control
        self._journal = Journal()
        self._handlers = EventHandlers(
            sender, retry_delays=retry_delays, faults=self._faults, journal=self._journal
        )
        self._resources = AsyncExitStack()

    @property
    def endpoint(self) -> str:
        """The resource's URL, as in "http://127.0.0.1:8080"."""
        return f"http://{HOST}:{self._port}"

    @property
    def connection_string(self) -> str:
        """Endpoint and access key, as the Azure portal shows them for a resource."""
        return f"Endpoint={self.endpoint};AccessKey={self._access_key};Version=1.0;"

    @property
    def control_url(self) -> str | None:
        """Where the control endpoint is, if there is one."""
        return f"{self.endpoint}/control" if self._has_control else None

    def add_event_handler(
        self,
        hub: str,
        url_template: str,
        *,
        system_events: Sequence[str] = SYSTEM_EVENTS,
        user_event_pattern: str = "*",
    ) -> None:
        """Send events of the hub to this URL; {hub} and {event} in it are replaced.

        Appends to the hub's event handlers: each event goes to the first that takes it. The
        pattern is "*", or event names with commas between them. ValueError says what is wrong.
        """
        setting = EventHandlerSetting(url_template, tuple(system_events), user_event_pattern)
        self._handlers.add(hub, setting)

    def clear_event_handlers(self, hub: str) -> None:
        """Take the hub's event handlers away; events that are on their way still arrive."""
        self._handlers.clear(hub)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as resources:
            self._handlers.use(await resources.enter_async_context(open_transport()))
            resources.push_async_callback(self._handlers.close)
            service = Service(self._handlers, retention_seconds=self._retention_seconds)
            runner = web.AppRunner(
                self._application(service),
                access_log=None,
                logger=server_logger("emulator.http"),
                shutdown_timeout=STOP_SECONDS,
            )
            resources.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, HOST, self._port, backlog=BACKLOG).start()
            self._port = runner.addresses[0][1]
            # Clients go first: the runner waits for their handlers.
            resources.push_async_callback(service.close)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._resources.aclose()

    def _application(self, service: Service) -> web.Application:
        # aiohttp's router decodes paths its own way; routes.py reads them as the service does.
        # `s`, because an encoded line break may be in a path.
        application = web.Application()
        if self._has_control:
            control = Control(service, self._handlers, self._faults, self._journal)
            control.add_routes(application.router)
        clients = ClientEndpoint(service, self._access_key, self._faults)
        application.router.add_route("*", "/client{path:(?s:.*)}", clients.handle)
        data_plane = DataPlane(service, self._access_key, self._faults, self._journal)
        application.router.add_route("*", "/{path:(?s:.*)}", data_plane.handle)
        return application
