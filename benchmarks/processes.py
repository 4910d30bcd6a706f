"""The processes of a benchmark: servers, what they use, and the clients. Nothing is judged here."""

import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from localdev.emulator import tokens
from localdev.open_files import OpenFilesError, allow_files

ROOT = Path(__file__).resolve().parent.parent
ANSWER_SECONDS = 60.0
LOG_TAIL = 2_000
"""How many bytes of a process's log are shown when something broke."""

HAS_ACCOUNTING = Path("/proc/self/stat").exists()
NO_ACCOUNTING = "Not measured: this system has no /proc with a process's CPU and memory."

OTHER_FILES = 100
"""How many files a process may need beside its connections."""

_HUB = "/api/hubs/bench"


class BenchmarkError(Exception):
    """Something broke, so that there is nothing to measure; the text says what."""


def allow_connections(count: int) -> None:
    """Let the processes started from now on have so many; BenchmarkError where the system forbids.

    The limit is on open files, and children inherit it.
    """
    try:
        allow_files(count + OTHER_FILES)
    except OpenFilesError as error:
        raise BenchmarkError(str(error)) from None


@dataclass(frozen=True)
class Server:
    """A server under measurement: the emulator or the floor."""

    port: int
    pid: int
    session: aiohttp.ClientSession

    async def send_to_group(self, text: str) -> None:
        """Send a text to all clients, who are in one group. Returns with the answer's arrival."""
        path = f"{_HUB}/groups/everyone/:send"
        if (status := await self._call("POST", path, text)) != 202:
            raise BenchmarkError(f"A send was answered {status}.")

    async def has_user(self, user_id: str) -> bool:
        """Whether the user is connected."""
        return await self._call("HEAD", f"{_HUB}/users/{user_id}") == 200

    async def _call(self, method: str, path: str, text: str | None = None) -> int:
        url = f"http://127.0.0.1:{self.port}{path}?api-version=2024-01-01"
        async with self.session.request(method, url, data=text) as response:
            return response.status

    def cpu_seconds(self) -> float:
        """User and system time so far; the system counts in ticks, mostly of 10 ms."""
        # The command's name, in parentheses, may have blanks in it (proc_pid_stat(5)).
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Resident memory now. The kernel's socket buffers are not in it."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def run_emulator() -> AsyncIterator[Server]:
    """The emulator, as its command starts it, without event handlers."""
    async with _run("localdev", "emulator", "--json", "--port", "0") as process:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", await _read_line(process))
        if not found:
            raise BenchmarkError("The emulator did not say where it is.")
        async with _open_session() as session:
            yield Server(int(found[1]), process.pid, session)


@asynccontextmanager
async def run_floor() -> AsyncIterator[Server]:
    """The bare server."""
    async with _run("benchmarks.floor") as process:
        port = int(await _read_line(process))
        async with _open_session() as session:
            yield Server(port, process.pid, session)


def _open_session() -> aiohttp.ClientSession:
    token = tokens.sign_data_plane_token(tokens.ACCESS_KEY)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    return aiohttp.ClientSession(headers=headers, timeout=timeout)


class Audience:
    """Clients of one server, in a process of their own (clients.py)."""

    def __init__(self, process: asyncio.subprocess.Process, server: Server) -> None:
        self._process = process
        self._port = server.port

    async def connect(self, count: int, subprotocol: str = "", *, reads: bool = True) -> None:
        """Open so many connections more; returns when all are open."""
        arguments = {"count": count, "subprotocol": subprotocol, "reads": reads}
        await self._call("connect", port=self._port, **arguments)

    async def count_open(self) -> int:
        """How many connections are open."""
        return int(await self._call("count_open"))

    async def receive(self, count: int) -> None:
        """Return when so many broadcasts more have come, over all clients."""
        await self._call("receive", count=count)

    async def delays(self) -> tuple[float, float]:
        """p50 and p99 of the delays since the last call, in ms from sending to arrival."""
        median, percentile99 = await self._call("delays")
        return median, percentile99

    async def acknowledge(self) -> None:
        """Every client sends a sequenceAck."""
        await self._call("acknowledge")

    async def _call(self, command: str, **arguments: Any) -> Any:
        if self._process.stdin:
            self._process.stdin.write(json.dumps([command, arguments]).encode() + b"\n")
        return json.loads(await _read_line(self._process))


@asynccontextmanager
async def run_audience(server: Server) -> AsyncIterator[Audience]:
    """A process for clients of that server. When the block ends, they are gone."""
    async with _run("benchmarks.clients") as process:
        yield Audience(process, server)


@asynccontextmanager
async def _run(*module: str) -> AsyncIterator[asyncio.subprocess.Process]:
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *module),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            yield process
        except BenchmarkError:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL))
            print(f"{' '.join(module)}:\n{log.read().decode(errors='replace')}", file=sys.stderr)
            raise
        finally:
            # There is nothing to save, and thousands of polite goodbyes take time.
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _read_line(process: asyncio.subprocess.Process) -> str:
    reader = process.stdout or asyncio.StreamReader()
    try:
        line = await asyncio.wait_for(reader.readline(), ANSWER_SECONDS)
    except TimeoutError:
        raise BenchmarkError(f"No answer from a process for {ANSWER_SECONDS:.0f} s.") from None
    if not line:
        raise BenchmarkError("A process ended by itself.")
    return line.decode()
