"""The emulator and the app on the local Functions host, side by side. They meet over HTTP."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from webpubsub_emulator.command import CommandError, add_event_handler
from webpubsub_emulator.server import Emulator

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "local.settings.sample.json"
LOCAL_SETTINGS = ROOT / "local.settings.json"
STOP_SECONDS = 5


class StackError(Exception):
    """A part of the stack did not start or did not stay; the text says which and why."""


@dataclass
class HostProcess:
    """A Functions host. It has a process of its own: the runtime holds one app a process."""

    address: str
    process: asyncio.subprocess.Process
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def webhook(self) -> str:
        """Where events go, with the system key in its query where the host asks for keys."""
        url = f"{self.address}/runtime/webhooks/webpubsub"
        return f"{url}?code={self.keys['webpubsub_extension']}" if self.keys else url


@dataclass(frozen=True)
class Stack:
    """Both parts, running; the emulator sends the events of `hub` to the host."""

    emulator: Emulator
    host: HostProcess
    hub: str


def sample_settings() -> dict[str, str]:
    """The `Values` of the sample: every setting that the app reads, with values that work."""
    values: dict[str, str] = json.loads(SAMPLE.read_text("utf-8"))["Values"]
    return values


def ensure_local_settings() -> None:
    """Makes local.settings.json from the sample where it is missing; never changes one."""
    if not LOCAL_SETTINGS.exists():
        shutil.copyfile(SAMPLE, LOCAL_SETTINGS)
        print("local.settings.json made from local.settings.sample.json", file=sys.stderr)


@asynccontextmanager
async def run_stack(
    settings: Mapping[str, str],
    *,
    emulator: Emulator | None = None,
    host_port: int = 0,
    on_log: Callable[[str], None] | None = None,
    keys: bool = False,
) -> AsyncIterator[Stack]:
    """Runs both until the block ends. `settings` are the app's, above the environment's.

    The emulator is one that was not started yet, or a new one. Port 0 means any free one.
    `on_log` gets the host's log, line by line; otherwise it goes to stderr. Raises OSError for a
    busy port, StackError for a host that does not start.
    With `keys` the host asks for access keys, as Azure does; they are made anew at each start.
    """
    async with emulator or Emulator() as running:
        # Whatever the settings say, this stack's app talks to this stack's emulator.
        environment = {**settings, "WebPubSubConnectionString": running.connection_string}
        async with run_host(environment, port=host_port, on_log=on_log, keys=keys) as host:
            hub = environment["WebPubSubHub"]
            try:
                add_event_handler(running, hub, host.webhook)
            except CommandError as error:
                raise StackError(str(error)) from None
            yield Stack(running, host, hub)


@asynccontextmanager
async def run_host(
    settings: Mapping[str, str],
    *,
    port: int = 0,
    on_log: Callable[[str], None] | None = None,
    keys: bool = False,
) -> AsyncIterator[HostProcess]:
    """Runs the app on the local Functions host in a process of its own. See `run_stack`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "localdev", "host", "--json", "--port", str(port)),
        *(["--keys"] if keys else []),
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE if on_log else None,
    )
    reader = process.stderr and on_log and asyncio.create_task(_read_log(process.stderr, on_log))
    try:
        yield await _read_host(process)
    finally:
        await _stop(process)
        if reader:
            await reader


async def _read_host(process: asyncio.subprocess.Process) -> HostProcess:
    line = await process.stdout.readline() if process.stdout else b""
    if not line:
        status = await process.wait()
        raise StackError(f"The Functions host did not start (it ended with status {status}).")
    facts = json.loads(line)
    return HostProcess(facts["host"], process, facts.get("keys", {}))


async def _read_log(stream: asyncio.StreamReader, on_log: Callable[[str], None]) -> None:
    async for line in stream:
        on_log(line.decode(errors="replace").rstrip())


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
