"""Servers under measurement and their clients, each in a process of its own."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from benchmarks.children import ANSWER_SECONDS, BenchmarkError, Child, run_child
from localdev.open_files import OpenFilesError, allow_files
from webpubsub_emulator import tokens

OTHER_FILES = 100  # that a process may need in addition to its connections

_HUB = "/api/hubs/bench"


def allow_connections(count: int) -> None:
    """Raise the limit of open files, so that child processes can open `count` connections.

    Raises BenchmarkError if the system forbids it.
    """
    try:
        allow_files(count + OTHER_FILES)
    except OpenFilesError as error:
        raise BenchmarkError(str(error)) from None


@dataclass(frozen=True, slots=True)
class Server:
    """A server under measurement: the emulator or the floor."""

    port: int
    child: Child
    session: aiohttp.ClientSession

    async def send_to_group(self, text: str) -> None:
        """Send a text to the group of all clients, and wait for the answer."""
        path = f"{_HUB}/groups/everyone/:send"
        if (status := await self._call("POST", path, text)) != 202:
            raise BenchmarkError(f"The server answered a send with {status}.")

    async def has_user(self, user_id: str) -> bool:
        """Return whether the user is connected."""
        return await self._call("HEAD", f"{_HUB}/users/{user_id}") == 200

    async def _call(self, method: str, path: str, text: str | None = None) -> int:
        url = f"http://127.0.0.1:{self.port}{path}?api-version=2024-01-01"
        async with self.session.request(method, url, data=text) as response:
            return response.status


@asynccontextmanager
async def run_emulator() -> AsyncIterator[Server]:
    """Run the emulator by its command, without event handlers, until the block ends."""
    async with run_child("-m", "localdev", "emulator", "--json", "--port", "0") as child:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", await child.read_line())
        if not found:
            raise BenchmarkError("The emulator did not print its address.")
        async with _open_session() as session:
            yield Server(int(found[1]), child, session)


@asynccontextmanager
async def run_floor() -> AsyncIterator[Server]:
    """Run the bare server until the block ends."""
    async with run_child("-m", "benchmarks.floor") as child:
        port = int(await child.read_line())
        async with _open_session() as session:
            yield Server(port, child, session)


def _open_session() -> aiohttp.ClientSession:
    token = tokens.sign_data_plane_token(tokens.ACCESS_KEY)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    return aiohttp.ClientSession(headers=headers, timeout=timeout)


@dataclass(frozen=True, slots=True)
class Audience:
    """Clients of one server, in a process of their own (clients.py)."""

    child: Child
    port: int

    async def connect(self, count: int, subprotocol: str = "", *, reads: bool = True) -> None:
        """Open `count` more connections and wait until all are open."""
        arguments = {"count": count, "subprotocol": subprotocol, "reads": reads}
        await self.child.call("connect", port=self.port, **arguments)

    async def count_open(self) -> int:
        """Return how many connections are open."""
        return int(await self.child.call("count_open"))

    async def receive(self, count: int) -> None:
        """Wait for `count` more broadcasts, over all clients."""
        await self.child.call("receive", count=count)

    async def delays(self) -> tuple[float, float]:
        """Return p50 and p99 of the delays since the last call, in ms from sending to arrival."""
        median, percentile99 = await self.child.call("delays")
        return median, percentile99

    async def acknowledge(self) -> None:
        """Send a sequenceAck from every client."""
        await self.child.call("acknowledge")


@asynccontextmanager
async def run_audience(server: Server) -> AsyncIterator[Audience]:
    """Run a process for clients of `server` until the block ends."""
    async with run_child("-m", "benchmarks.clients") as child:
        yield Audience(child, server.port)
