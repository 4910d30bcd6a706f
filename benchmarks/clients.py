"""The clients, in a process of their own: raw sockets that open, drain, count and time.

`python -m benchmarks.clients` obeys commands; processes.py gives them.
"""

import asyncio
import json
import socket
import statistics
import time
from typing import cast

from benchmarks.commands import obey
from benchmarks.texts import sent_at
from benchmarks.websocket import PING, PONG, TEXT, client_frame, take_frames
from localdev.emulator import tokens

AT_ONCE = 50
"""How many clients open their connection at the same time."""
SLOW_RECEIVE_BUFFER = 4096


class Arrivals:
    """The delays of the broadcasts that came, in seconds, over all clients of this process."""

    def __init__(self) -> None:
        self._delays: list[float] = []
        self._waited_for = 0
        self._are_here = asyncio.Event()

    def add(self, delay: float) -> None:
        """A client got a broadcast."""
        self._delays.append(delay)
        if len(self._delays) == self._waited_for:
            self._are_here.set()

    async def wait(self, count: int) -> None:
        """Until that many more are here than were waited for before."""
        self._waited_for += count
        self._are_here.clear()
        if len(self._delays) < self._waited_for:
            await self._are_here.wait()

    def take(self) -> list[float]:
        """All of them, which are then forgotten."""
        delays, self._delays, self._waited_for = self._delays, [], 0
        return delays


class Client(asyncio.Protocol):
    """One WebSocket client. `opened` tells how its opening went, `is_gone` that it has ended."""

    def __init__(self, arrivals: Arrivals, request: bytes, *, reads: bool) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_gone = False
        self._arrivals = arrivals
        self._request = request
        self._reads = reads
        self._received = bytearray()
        self._count = 0

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
            if opcode == PING:
                self._transport.write(client_frame(PONG, payload))
            elif (sent := sent_at(payload)) is not None:
                self._count += 1
                self._arrivals.add((time.monotonic_ns() - sent) / 1e9)

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
        if not self._reads:
            self._transport.pause_reading()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The server, or the network, ended it."""
        self.is_gone = True
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed before the upgrade"))

    def acknowledge(self) -> None:
        """Tell the service what has come, as reliable clients do."""
        acknowledgement = json.dumps({"type": "sequenceAck", "sequenceId": self._count})
        self._transport.write(client_frame(TEXT, acknowledgement.encode()))


class Clients:
    """All clients of this process. Its public methods are the commands."""

    def __init__(self) -> None:
        self._arrivals = Arrivals()
        self._clients: list[Client] = []

    async def connect(self, port: int, count: int, subprotocol: str, reads: bool) -> None:
        """Open so many connections more; the first one that fails raises ConnectionError."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def open_one(number: int) -> Client:
            async with gate:
                name = f"client-{number}" if reads else "slow"
                request = _upgrade_request(port, name, subprotocol)
                client = Client(self._arrivals, request, reads=reads)
                await _connect(port, client, reads)
                return client

        first = len(self._clients)
        opening = [open_one(number) for number in range(first, first + count)]
        self._clients += await asyncio.gather(*opening)

    async def count_open(self) -> int:
        """How many connections are open, as far as their clients know."""
        return sum(not client.is_gone for client in self._clients)

    async def receive(self, count: int) -> None:
        """Wait until so many broadcasts more have come, over all clients."""
        await self._arrivals.wait(count)

    async def delays(self) -> list[float]:
        """Median and 99th percentile of all delays since the last call, in milliseconds."""
        percentiles = statistics.quantiles(self._arrivals.take(), n=100)
        return [percentiles[49] * 1e3, percentiles[98] * 1e3]

    async def acknowledge(self) -> None:
        """For reliable clients, which must do so from time to time."""
        for client in self._clients:
            client.acknowledge()


async def _connect(port: int, client: Client, reads: bool) -> None:
    # A small buffer, set before connecting, keeps the kernel from reading for the slow client.
    connection = socket.socket()
    if not reads:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_RECEIVE_BUFFER)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", port))
    await loop.create_connection(lambda: client, sock=connection)
    await client.opened


def _upgrade_request(port: int, user_id: str, subprotocol: str) -> bytes:
    host = f"127.0.0.1:{port}"
    path = "/client/hubs/bench"
    client = tokens.Client(user_id=user_id, roles=(), groups=("everyone",), claims={})
    token = tokens.sign_client_token(tokens.ACCESS_KEY, f"http://{host}{path}", client, 60)
    lines = [
        f"GET {path}?access_token={token} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    if subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return "\r\n".join([*lines, "", ""]).encode()


if __name__ == "__main__":
    asyncio.run(obey(Clients()))
