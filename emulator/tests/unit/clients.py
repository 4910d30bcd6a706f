"""Keeps the WebSockets of a test: one that nobody refers to any more would be closed early."""

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
        """A client that has opened; aiohttp's error for one that is refused."""
        socket: aiohttp.ClientWebSocketResponse
        socket = await self.session.ws_connect(url, protocols=protocols, **options)
        self._sockets.append(socket)
        return socket

    async def close(self) -> None:
        """Close what is still open."""
        for socket in self._sockets:
            await socket.close()
