"""The emulator of one Web PubSub resource: its settings, its listening socket and its lifetime."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from aiohttp import web

from webpubsub_emulator.control import Control, add_inspection
from webpubsub_emulator.deliveries import RETRY_DELAYS
from webpubsub_emulator.faults import Faults
from webpubsub_emulator.group_events import new_group_events
from webpubsub_emulator.handler_settings import SYSTEM_EVENTS, EventHandlerSetting, check_hub_name
from webpubsub_emulator.handlers import EventHandlers
from webpubsub_emulator.http_logs import server_logger
from webpubsub_emulator.hub_settings import HubSettings
from webpubsub_emulator.journal import EventRecord, Journal
from webpubsub_emulator.recording import ClientConnection, SentMessage, client_connection
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
    be changed later with `control`, which serves /control. With `record`, `messages` and
    `events` go back to the start. `connection_limit` is how many clients may be connected at once;
    more are refused with 429.
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
        record: bool = False,
        connection_limit: int | None = None,
    ) -> None:
        check_access_key(access_key)
        self._port = port
        self._access_key = access_key
        self._retention_seconds = retention_seconds
        sender = Sender(origin=HOST, access_key=access_key)
        self._faults = faults or Faults()
        self._has_control = control
        self._record = record
        self._connection_limit = connection_limit
        self._hub_settings: dict[str, HubSettings] = {}
        self._journal = Journal(None) if record else Journal()
        self._service: Service | None = None
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

    @property
    def faults(self) -> Faults:
        """The faults, which can be replaced while the emulator runs."""
        return self._faults

    def configure_hub(
        self, hub: str, *, anonymous_connect_policy: str = "deny", keep_alive_seconds: int = 20
    ) -> None:
        """Set what the ARM resource of a hub sets, apart from event handlers.

        With the policy "allow", clients need no token. The interval, of 1 to 120 seconds, is
        between WebSocket pings; a new one counts after the next ping. Raises ValueError.
        """
        check_hub_name(hub)
        settings = HubSettings(anonymous_connect_policy, keep_alive_seconds)
        self._hub_settings[hub.lower()] = settings

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

    def hubs(self) -> list[str]:
        """Return the names of the hubs that were used so far, sorted."""
        return [hub.name for hub in self._running.hubs()]

    def connections(self, hub: str) -> list[ClientConnection]:
        """Return the hub's connections, the oldest first."""
        everyone = self._running.hub(hub).connections.everyone()
        return [client_connection(connection) for connection in everyone]

    def messages(self, hub: str) -> list[SentMessage]:
        """Return the messages that were sent to clients of the hub so far, in their order.

        Raises RuntimeError without `record`.
        """
        record = self._running.hub(hub).sending.record
        if record is None:
            raise RuntimeError("Messages are kept by Emulator(record=True) only.")
        return [*record]

    def events(self) -> list[EventRecord]:
        """Return the event deliveries that have ended, oldest first; without `record` the last."""
        return [*self._journal.events]

    def drop(self, connection_id: str) -> None:
        """Abort a client's socket without a close frame. Raises LookupError if it has none."""
        if not self._running.drop(connection_id):
            raise LookupError(f"No connection {connection_id!r} has a socket.")

    def restart(self) -> None:
        """Behave like a restart: abort every socket and forget every connection.

        No disconnected events are sent. Event handlers, faults and records remain.
        """
        self._running.restart()

    async def settle(self, seconds: float) -> None:
        """Wait until the event deliveries that run now have ended, or for that time."""
        await self._running.settle(seconds)

    @property
    def _running(self) -> Service:
        if self._service is None:
            raise RuntimeError("Use the emulator inside `async with`.")
        return self._service

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as resources:
            self._handlers.use(await resources.enter_async_context(open_transport()))
            resources.push_async_callback(self._handlers.close)
            service = self._service = Service(
                self._handlers,
                retention_seconds=self._retention_seconds,
                faults=self._faults,
                record=self._record,
                settings=self._hub_settings,
                connection_limit=self._connection_limit,
            )
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
        add_inspection(application.router, service)
        if self._has_control:
            control = Control(service, self._handlers, self._faults, self._journal)
            control.add_routes(application.router)
        clients = ClientEndpoint(service, self._access_key, self._faults, self._hub_settings)
        application.router.add_route("*", "/client{path:(?s:.*)}", clients.handle)
        data_plane = DataPlane(service, self._access_key, self._faults, self._journal)
        application.router.add_route("*", "/{path:(?s:.*)}", data_plane.handle)
        return application
