"""Keeps the WebSockets of a test alive: a WebSocket without a reference would be closed early."""

from collections.abc import Sequence
from typing import Any

import aiohttp


class Clients:
    """Opens WebSockets and closes all of them at the end."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []

    async def connect(
        self, url: str, protocols: Sequence[str] = (), **options: Any
    ) -> aiohttp.ClientWebSocketResponse:
        """Return an open client. Raises aiohttp's error if the client is refused."""
        socket: aiohttp.ClientWebSocketResponse
        socket = await self.session.ws_connect(url, protocols=protocols, **options)
        self._sockets.append(socket)
        return socket

    async def close(self) -> None:
        for socket in self._sockets:
            await socket.close()
