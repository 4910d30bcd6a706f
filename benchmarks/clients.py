"""Clients in a process of their own: raw sockets that connect, read, count and measure delays.

`python -m benchmarks.clients` takes commands from processes.py.
"""

import asyncio
import json
import socket
import statistics
import time

from benchmarks.timed_texts import sent_at
from localdev.child_commands import obey
from localdev.light_client import LightClient, upgrade_request
from webpubsub_emulator import tokens

AT_ONCE = 50  # clients that open their connection at the same time
SLOW_RECEIVE_BUFFER = 4096


class Arrivals:
    """Collect the delays of broadcasts, in seconds, over all clients of this process."""

    def __init__(self) -> None:
        self._delays: list[float] = []
        self._waited_for = 0
        self._are_here = asyncio.Event()

    def add(self, delay: float) -> None:
        """Record that a client received a broadcast."""
        self._delays.append(delay)
        if len(self._delays) == self._waited_for:
            self._are_here.set()

    async def wait(self, count: int) -> None:
        """Wait for `count` more arrivals than all earlier calls waited for."""
        self._waited_for += count
        self._are_here.clear()
        if len(self._delays) < self._waited_for:
            await self._are_here.wait()

    def take(self) -> list[float]:
        """Return all delays and start again with none."""
        delays, self._delays, self._waited_for = self._delays, [], 0
        return delays


class Client(LightClient):
    """A client that reads broadcasts, or reads nothing."""

    def __init__(self, arrivals: Arrivals, request: bytes, *, reads: bool) -> None:
        super().__init__(request)
        self._arrivals = arrivals
        self._reads = reads
        self._count = 0

    def has_opened(self) -> None:
        """Stop reading if this client is the slow one."""
        if not self._reads:
            self._transport.pause_reading()

    def hear(self, payload: bytes) -> None:
        """Count a broadcast and record its delay; ignore other messages."""
        if (sent := sent_at(payload)) is not None:
            self._count += 1
            self._arrivals.add((time.monotonic_ns() - sent) / 1e9)

    def acknowledge(self) -> None:
        """Acknowledge what has arrived, as reliable clients do."""
        acknowledgement = json.dumps({"type": "sequenceAck", "sequenceId": self._count})
        self.send(acknowledgement.encode())


class Clients:
    """All clients of this process. Its public methods are the commands."""

    def __init__(self) -> None:
        self._arrivals = Arrivals()
        self._clients: list[Client] = []

    async def connect(self, port: int, count: int, subprotocol: str, reads: bool) -> None:
        """Open `count` more connections. Raises ConnectionError for the first one that fails."""
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
        """Return how many connections their clients believe to be open."""
        return sum(not client.is_gone for client in self._clients)

    async def receive(self, count: int) -> None:
        """Wait for `count` more broadcasts, over all clients."""
        await self._arrivals.wait(count)

    async def delays(self) -> list[float]:
        """Return median and 99th percentile of the delays since the last call, in ms."""
        percentiles = statistics.quantiles(self._arrivals.take(), n=100)
        return [percentiles[49] * 1e3, percentiles[98] * 1e3]

    async def acknowledge(self) -> None:
        """Acknowledge for all clients. Reliable clients must do so from time to time."""
        for client in self._clients:
            client.acknowledge()


async def _connect(port: int, client: Client, reads: bool) -> None:
    # A small buffer, set before connecting, limits what the kernel reads for the slow client.
    connection = socket.socket()
    if not reads:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_RECEIVE_BUFFER)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", port))
    await loop.create_connection(lambda: client, sock=connection)
    await client.opened


def _upgrade_request(port: int, user_id: str, subprotocol: str) -> bytes:
    url = f"http://127.0.0.1:{port}/client/hubs/bench"
    client = tokens.Client(user_id=user_id, roles=(), groups=("everyone",), claims={})
    token = tokens.sign_client_token(tokens.ACCESS_KEY, url, client, 60)
    return upgrade_request(f"{url}?access_token={token}", subprotocol)


if __name__ == "__main__":
    asyncio.run(obey(Clients()))
