"""A WebSocket client that costs next to nothing, so that one process has room for thousands."""

import asyncio
from typing import cast
from urllib.parse import urlsplit

from localdev.websocket import CLOSE, PING, PONG, TEXT, client_frame, take_frames


def upgrade_request(url: str, subprotocol: str) -> bytes:
    """What asks the server at a URL for a WebSocket; an empty subprotocol is none."""
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
    """One client. `opened` tells how its opening went, `is_gone` that it has ended.

    Subclasses say what becomes of what it hears.
    """

    def __init__(self, request: bytes) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_gone = False
        self.close_code: int | None = None
        self._request = request
        self._received = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read the answer to the upgrade, then frames."""
        self._received += data
        if not self.opened.done() and not self._read_answer():
            return
        for opcode, payload in take_frames(self._received):
            if opcode == TEXT:
                self.hear(payload)
            elif opcode == PING:
                self._transport.write(client_frame(PONG, payload))
            elif opcode == CLOSE:
                self.close_code = int.from_bytes(payload[:2])
                self._transport.write(client_frame(CLOSE, payload[:2]))

    def _read_answer(self) -> bool:
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
        """The upgrade was granted; frames come next."""

    def hear(self, payload: bytes) -> None:
        """A text message came."""

    def send(self, payload: bytes) -> None:
        """Sends a text message."""
        self._transport.write(client_frame(TEXT, payload))

    def connection_lost(self, exc: Exception | None) -> None:
        """The server, or the network, ended it."""
        self.is_gone = True
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed before the upgrade"))
