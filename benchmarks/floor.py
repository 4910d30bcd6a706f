"""The floor: a bare asyncio server that broadcasts the body of a POST with `transport.write`.

It knows no hubs, tokens or paths. `python -m benchmarks.floor` prints its port.
"""

import asyncio
import re
from typing import cast

from localdev.websocket import accept_key, server_frame

_KEY = re.compile(rb"^sec-websocket-key: *(\S+)", re.IGNORECASE | re.MULTILINE)
_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)

_open: set[asyncio.Transport] = set()


class Peer(asyncio.Protocol):
    """A WebSocket client, or an HTTP client whose POSTs are broadcast."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a new TCP connection."""
        self._transport = cast(asyncio.Transport, transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is complete; ignore what WebSocket clients send."""
        if self._transport in _open:
            return
        self._received += data
        head, _, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if key := _KEY.search(head):
            self._upgrade(key[1])
        elif length and len(body) == int(length[1]):
            self._broadcast(body)
        else:
            return
        self._received = b""

    def _upgrade(self, key: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key) + b"\r\n\r\n"
        )
        _open.add(self._transport)

    def _broadcast(self, text: bytes) -> None:
        frame = server_frame(text)
        for transport in _open:
            transport.write(frame)
        self._transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from the receivers."""
        _open.discard(self._transport)


async def serve() -> None:
    """Serve until the process is killed."""
    server = await asyncio.get_running_loop().create_server(Peer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
