"""A WebSocket client with so little overhead that one process can run thousands."""

import asyncio
from typing import cast
from urllib.parse import urlsplit

from localdev.websocket import CLOSE, PING, PONG, TEXT, client_frame, take_frames


def upgrade_request(url: str, subprotocol: str) -> bytes:
    """Return the HTTP request that opens a WebSocket; an empty subprotocol means none."""
    parts = urlsplit(url)
    lines = [
        f"GET {parts.path}?{parts.query} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    if subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return "\r\n".join([*lines, "", ""]).encode()


class LightClient(asyncio.Protocol):
    """One client; subclasses handle its messages.

    `opened` completes when the server accepted the WebSocket, or fails with ConnectionError.
    `is_gone` is True when the connection has ended.
    """

    def __init__(self, request: bytes) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_gone = False
        self.close_code: int | None = None
        self._request = request
        self._received = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.opened.done() and not self._read_response():
            return
        for opcode, payload in take_frames(self._received):
            if opcode == TEXT:
                self.hear(payload)
            elif opcode == PING:
                self._transport.write(client_frame(PONG, payload))
            elif opcode == CLOSE:
                self.close_code = int.from_bytes(payload[:2])
                self._transport.write(client_frame(CLOSE, payload[:2]))

    def _read_response(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        status = bytes(self._received.split(b"\r\n", 1)[0])
        del self._received[: end + 4]
        if b" 101 " not in status:
            self.opened.set_exception(ConnectionError(status.decode()))
            return False
        self.opened.set_result(None)
        self.has_opened()
        return True

    def has_opened(self) -> None:
        """Handle the opening of the WebSocket, before the first frame."""

    def hear(self, payload: bytes) -> None:
        """Handle a text message."""

    def send(self, payload: bytes) -> None:
        """Send a text message."""
        self._transport.write(client_frame(TEXT, payload))

    def connection_lost(self, exc: Exception | None) -> None:
        """Mark the connection as ended."""
        self.is_gone = True
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed before the upgrade"))
