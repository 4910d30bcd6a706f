"""The local stack: the emulator, and the app on the local Functions host, connected by HTTP."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from webpubsub_emulator.command import CommandError, add_event_handler

if TYPE_CHECKING:
    from webpubsub_emulator import Emulator

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "local.settings.sample.json"
LOCAL_SETTINGS = ROOT / "local.settings.json"
STOP_SECONDS = 5


class StackError(Exception):
    """A part of the stack did not start, or it ended; the text says which part and why."""


@dataclass(frozen=True, slots=True)
class HostProcess:
    """A Functions host in its own process, because the runtime holds one app per process."""

    address: str
    process: asyncio.subprocess.Process
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def webhook(self) -> str:
        """The URL for events, with the system key in its query if the host requires keys."""
        url = f"{self.address}/runtime/webhooks/webpubsub"
        return f"{url}?code={self.keys['webpubsub_extension']}" if self.keys else url


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack; the emulator sends the events of `hub` to the host."""

    emulator: "Emulator"
    host: HostProcess
    hub: str


def sample_settings() -> dict[str, str]:
    """Return the `Values` of the sample settings: every setting of the app, with working values."""
    values: dict[str, str] = json.loads(SAMPLE.read_text("utf-8"))["Values"]
    return values


def ensure_local_settings() -> None:
    """Copy the sample to local.settings.json if that file is missing. Raises StackError."""
    if not LOCAL_SETTINGS.exists():
        try:
            shutil.copyfile(SAMPLE, LOCAL_SETTINGS)
        except OSError as error:
            reason = f"{LOCAL_SETTINGS} cannot be written: {error.strerror}."
            raise StackError(f"{reason} Use a copy of this folder that you may write to.") from None
        print("local.settings.json made from local.settings.sample.json", file=sys.stderr)


@asynccontextmanager
async def run_stack(
    settings: Mapping[str, str],
    *,
    emulator: "Emulator | None" = None,
    host_port: int = 0,
    on_log: Callable[[str], None] | None = None,
    keys: bool = False,
) -> AsyncIterator[Stack]:
    """Run the emulator and the app until the block ends.

    `settings` are app settings; they override the environment. `emulator` must not be started
    yet; by default it is a new one. Port 0 means any free port. `on_log` gets each line of the
    host's log, which otherwise goes to stderr. With `keys` the host requires access keys, as Azure
    does; each start generates new ones. Raises OSError if a port is in use, and StackError if the
    host does not start.
    """
    from webpubsub_emulator import Emulator  # imports aiohttp

    async with emulator or Emulator() as running:
        # The settings may name another service, but the app of this stack uses its emulator.
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
    """Run the app on the local Functions host in its own process. See `run_stack`."""
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
