"""The processes of a storm: the emulator, one or more instances of the app, and a load balancer."""

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from types import TracebackType
from typing import Any, Self

import aiohttp
import psutil
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from localdev.interrupts import interrupts_masked
from localdev.stack import (
    ROOT,
    HostProcess,
    StackError,
    run_host,
    sample_settings,
    wait_or_kill,
)
from localdev.storm.outcome import Records, Usage, Use

LONGEST_LINE = 2**26  # bytes, of a child's result
KEPT_LINES = 40  # of the instances' logs, shown if the app is not healthy
# Headers about one connection, which a proxy does not forward (RFC 9110, section 7.6.1).
HOP_BY_HOP = ("Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade")


@dataclass(frozen=True, slots=True)
class Child:
    """A process that carries out commands (localdev/child_commands.py)."""

    process: asyncio.subprocess.Process

    async def call(self, command: str, **arguments: Any) -> Any:
        """Return the result of a command. Raises StackError if the process ends instead."""
        if self.process.stdin and self.process.stdout:
            self.process.stdin.write(json.dumps([command, arguments]).encode() + b"\n")
            if line := await self.process.stdout.readline():
                return json.loads(line)
        raise StackError(f"A process of the storm ended by itself, at {command!r}.")


@asynccontextmanager
async def run_child(module: str) -> AsyncIterator[Child]:
    """Run `python -m MODULE` until the block ends."""
    with interrupts_masked():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
        )
    try:
        yield Child(process)
    finally:
        await _end(process)


class Balancer:
    """Forwards each request to the next instance in turn, like the front end of Azure.

    An asynchronous context manager: inside, it listens at `address`.
    """

    def __init__(self, instances: Sequence[str]) -> None:
        self._turns = cycle(instances)
        self._resources = AsyncExitStack()
        self._session: aiohttp.ClientSession
        self.address = ""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as resources:
            connector = aiohttp.TCPConnector(limit=0)
            session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
            self._session = await resources.enter_async_context(session)
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self._forward)
            runner = web.AppRunner(app, access_log=None)
            resources.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._resources.aclose()

    async def _forward(self, request: web.Request) -> web.Response:
        async with self._session.request(
            request.method,
            URL(next(self._turns) + request.raw_path, encoded=True),
            headers=_without_hops(request.headers),
            data=await request.read(),
            allow_redirects=False,
        ) as answer:
            body, headers = await answer.read(), _without_hops(answer.headers)
            return web.Response(status=answer.status, headers=headers, body=body)


class StormStack:
    """A running stack: its address, the app's log records, and the processes' memory and CPU."""

    def __init__(self, emulator: Child, connection_string: str) -> None:
        self.emulator = emulator
        self.connection_string = connection_string
        self.hub = sample_settings()["WebPubSubHub"]
        self.address = ""
        self.hosts: list[HostProcess] = []
        self.records = Records()
        self.log = deque[str](maxlen=KEPT_LINES)

    def add_line(self, instance: int, line: str) -> None:
        """Add a line of an instance's log."""
        self.log.append(line)
        self.records.add(instance, line, time.monotonic())

    def usage(self) -> Usage:
        """Return the memory and CPU that the processes have used so far."""
        hosts = [_read_use(host.process.pid) for host in self.hosts]
        return Usage(hosts, _read_use(self.emulator.process.pid))


@asynccontextmanager
async def run_storm_stack(settings: Mapping[str, str], instances: int) -> AsyncIterator[StormStack]:
    """Run a stack until the block ends; `settings` override the sample settings.

    Raises StackError.
    """
    async with AsyncExitStack() as resources:
        emulator = await resources.enter_async_context(run_child("localdev.storm.emulator"))
        stack = StormStack(emulator, await emulator.call("connection_string"))
        connection = {"WebPubSubConnectionString": stack.connection_string}
        environment = {**sample_settings(), "USHER_BANS": "off", **settings, **connection}
        for instance in range(instances):
            host = run_host(environment, on_log=partial(stack.add_line, instance))
            stack.hosts.append(await resources.enter_async_context(host))
        await _warm_up(stack)
        stack.address = await _front_address(resources, stack.hosts)
        url = f"{stack.address}/runtime/webhooks/webpubsub"
        await emulator.call("send_events", hub=stack.hub, url=url)
        yield stack


async def _front_address(resources: AsyncExitStack, hosts: list[HostProcess]) -> str:
    """Return the address for all calls: the only instance, or a balancer for several."""
    addresses = [host.address for host in hosts]
    if len(addresses) == 1:
        return addresses[0]
    return (await resources.enter_async_context(Balancer(addresses))).address


async def _warm_up(stack: StormStack) -> None:
    """Call each instance once, so that it loads what the first call needs."""
    async with aiohttp.ClientSession() as session:
        for host in stack.hosts:
            async with session.get(f"{host.address}/api/health") as answer:
                if answer.status != 200:
                    raise StackError("\n".join(["The app is not healthy.", *stack.log]))


def _read_use(pid: int) -> Use:
    # The memory excludes the kernel's socket buffers.
    process = psutil.Process(pid)
    cpu = process.cpu_times()
    return Use(process.memory_info().rss / 2**20, cpu.user + cpu.system)


def _without_hops(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    for name in HOP_BY_HOP:
        kept.popall(name, None)
    return kept


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin:
        process.stdin.close()
    await wait_or_kill(process)
