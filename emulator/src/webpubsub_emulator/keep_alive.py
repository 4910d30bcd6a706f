"""WebSocket pings to the clients of a hub, and the end of clients that do not answer.

Azure pings at an interval that each hub sets (webSocketKeepAliveIntervalInSeconds), and closes
connections for `PingTimeout` (howto-troubleshoot-resource-logs). Inferred: after one interval
without an answer, and without a close frame.
"""

import asyncio
import logging
from collections.abc import Mapping

from webpubsub_emulator.client_socket import ClientSocket
from webpubsub_emulator.hub_settings import AllHubSettings, settings_of

_log = logging.getLogger("emulator")


class KeepAlive:
    """Has one timer for each hub, because one for each client would cost memory.

    `sockets` are the open sockets of all hubs, by connection id.
    """

    def __init__(self, sockets: Mapping[str, ClientSocket], settings: AllHubSettings) -> None:
        self._sockets = sockets
        self._settings = settings
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def watch(self, hub: str) -> None:
        """Ping the clients of a hub, now and later ones. Only the first call has an effect."""
        if hub not in self._timers:
            self._start(hub)

    def close(self) -> None:
        """Send no more pings."""
        for timer in self._timers.values():
            timer.cancel()

    def _start(self, hub: str) -> None:
        seconds = settings_of(self._settings, hub).keep_alive_seconds
        loop = asyncio.get_running_loop()
        self._timers[hub] = loop.call_later(seconds, self._ping_all, hub)

    def _ping_all(self, hub: str) -> None:
        for connection_id, socket in tuple(self._sockets.items()):
            if socket.hub == hub and not socket.ping():
                _log.warning("client does not answer pings: connection=%s", connection_id)
                socket.drop()
        self._start(hub)
