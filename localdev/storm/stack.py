"""The stack of a storm: the emulator and one or more instances of the app, a process each."""

import os
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp

from localdev.stack import HostProcess, StackError, run_host, sample_settings
from localdev.storm.balancer import Balancer
from localdev.storm.children import Child, run_child
from localdev.storm.outcome import Usage, Use
from localdev.storm.records import Records

HAS_ACCOUNTING = Path("/proc/self/stat").exists()
KEPT_LINES = 40  # of the instances' logs, for a failure


class StormStack:
    """Where it is, what the app records, and what it uses."""

    def __init__(self, emulator: Child, connection_string: str) -> None:
        self.emulator = emulator
        self.connection_string = connection_string
        self.hub = sample_settings()["WebPubSubHub"]
        self.address = ""
        self.hosts: list[HostProcess] = []
        self.records = Records()
        self.log = deque[str](maxlen=KEPT_LINES)

    def add_line(self, instance: int, line: str) -> None:
        """Takes a line of an instance's log."""
        self.log.append(line)
        self.records.add(instance, line, time.monotonic())

    def usage(self) -> list[Usage]:
        """That of now; nothing where the system does not tell."""
        if not HAS_ACCOUNTING:
            return []
        hosts = [_read_use(host.process.pid) for host in self.hosts]
        return [Usage(hosts, _read_use(self.emulator.process.pid))]


def _read_use(pid: int) -> Use:
    """From proc_pid_stat(5); the kernel's socket buffers are not in it."""
    # The command's name, in parentheses, may have blanks in it.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
    return Use(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, ticks / os.sysconf("SC_CLK_TCK"))


@asynccontextmanager
async def run_storm_stack(settings: Mapping[str, str], instances: int) -> AsyncIterator[StormStack]:
    """Runs it until the block ends; `settings` are the app's, above the sample's. StackError."""
    async with AsyncExitStack() as resources:
        emulator = await resources.enter_async_context(run_child("localdev.storm.emulator"))
        stack = StormStack(emulator, await emulator.call("find"))
        connection = {"WebPubSubConnectionString": stack.connection_string}
        environment = {**sample_settings(), **settings, **connection}
        for instance in range(instances):
            host = run_host(environment, on_log=partial(stack.add_line, instance))
            stack.hosts.append(await resources.enter_async_context(host))
        await _warm_up(stack)
        stack.address = await _open_front(resources, stack.hosts)
        url = f"{stack.address}/runtime/webhooks/webpubsub"
        await emulator.call("send_events", hub=stack.hub, url=url)
        yield stack


async def _open_front(resources: AsyncExitStack, hosts: list[HostProcess]) -> str:
    """The address for all calls: the only instance's, or one that spreads them."""
    addresses = [host.address for host in hosts]
    if len(addresses) == 1:
        return addresses[0]
    return (await resources.enter_async_context(Balancer(addresses))).address


async def _warm_up(stack: StormStack) -> None:
    """Each instance loads what its first call needs."""
    async with aiohttp.ClientSession() as session:
        for host in stack.hosts:
            async with session.get(f"{host.address}/api/health") as answer:
                if answer.status != 200:
                    raise StackError("\n".join(["The app is not healthy.", *stack.log]))
