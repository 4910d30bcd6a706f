"""The emulator of one Web PubSub resource: its settings, its listening socket and its lifetime."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from aiohttp import web

from webpubsub_emulator.control import Control
from webpubsub_emulator.deliveries import RETRY_DELAYS
from webpubsub_emulator.faults import Faults
from webpubsub_emulator.group_events import new_group_events
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
STOP_SECONDS = 2.0  # for requests that are running when the emulator stops
# Connections that may wait to be accepted. With aiohttp's default of 128, many clients that connect
# at once would have to wait for TCP's retries.
BACKLOG = 4096


class Emulator:
    """One Web PubSub resource on 127.0.0.1: an async context manager that can be used once.

    It listens inside the context and leaves nothing running. With port 0 the system picks a
    port, and `endpoint` is valid only inside the context. Entering raises OSError if the port is
    in use. The constructor raises ValueError for a bad access key.

    `retry_delays` are the seconds between attempts to deliver an event. `retention_seconds` is
    the time in which a reliable client can recover. `faults` are active from the start, and can
    be changed later with `control`, which serves /control.
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
        """The URL of the resource, such as "http://127.0.0.1:8080"."""
        return f"http://{HOST}:{self._port}"

    @property
    def connection_string(self) -> str:
        """The connection string, in the form that the Azure portal shows."""
        return f"Endpoint={self.endpoint};AccessKey={self._access_key};Version=1.0;"

    @property
    def control_url(self) -> str | None:
        """The URL of the control endpoint, or None without one."""
        return f"{self.endpoint}/control" if self._has_control else None

    def add_event_handler(
        self,
        hub: str,
        url_template: str,
        *,
        system_events: Sequence[str] = SYSTEM_EVENTS,
        user_event_pattern: str = "*",
        group_events: Sequence[str] = (),
        group_filters: Sequence[str] = (),
    ) -> None:
        """Send events of the hub to this URL, in which {hub} and {event} are replaced.

        Appends to the hub's event handlers: each event goes to the first one that takes it. The
        pattern is "*" or a list of event names with commas between them. `group_events` are some of
        "joined" and "left"; `group_filters` are patterns of group names, and without one the
        events are of all groups. Raises ValueError.
        """
        setting = EventHandlerSetting(
            url_template,
            tuple(system_events),
            user_event_pattern,
            new_group_events(group_events, group_filters),
        )
        self._handlers.add(hub, setting)

    def clear_event_handlers(self, hub: str) -> None:
        """Remove the hub's event handlers. Events that are on their way still arrive."""
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
            # The last callback runs first: the runner would wait for clients that are connected.
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
        # Not by aiohttp's routes, which decode paths differently from the service (routes.py).
        # The flag `s` is for encoded line breaks in a path.
        application = web.Application()
        if self._has_control:
            control = Control(service, self._handlers, self._faults, self._journal)
            control.add_routes(application.router)
        clients = ClientEndpoint(service, self._access_key, self._faults)
        application.router.add_route("*", "/client{path:(?s:.*)}", clients.handle)
        data_plane = DataPlane(service, self._access_key, self._faults, self._journal)
        application.router.add_route("*", "/{path:(?s:.*)}", data_plane.handle)
        return application
