"""The local stack: the emulator, and the app on the local Functions host, connected by HTTP."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from localdev.host.keys import Keys
from localdev.interrupts import interrupts_masked
from webpubsub_emulator.command import CommandError, add_event_handler

if TYPE_CHECKING:
    from webpubsub_emulator import Emulator

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "local.settings.sample.json"
LOCAL_SETTINGS = ROOT / "local.settings.json"
CONNECTION = "WebPubSubConnectionString"
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
    on_log: Callable[[str], None] | None = None,
) -> AsyncIterator[Stack]:
    """Run the emulator and the app on free ports until the block ends. See `run_host`."""
    from webpubsub_emulator import Emulator  # imports aiohttp

    async with Emulator() as running:
        # The settings may name another service, but the app of this stack uses its emulator.
        environment = {**settings, CONNECTION: running.connection_string}
        async with run_host(environment, on_log=on_log) as host:
            yield connect(running, host, environment["WebPubSubHub"])


def connect(emulator: "Emulator", host: HostProcess, hub: str) -> Stack:
    """Let the emulator send the hub's events to the host. Raises StackError."""
    try:
        add_event_handler(emulator, hub, host.webhook)
    except CommandError as error:
        raise StackError(str(error)) from None
    return Stack(emulator, host, hub)


@asynccontextmanager
async def run_host(
    settings: Mapping[str, str],
    *,
    port: int = 0,
    on_log: Callable[[str], None] | None = None,
    keys: Keys | None = None,
    home_link: str = "",
) -> AsyncIterator[HostProcess]:
    """Run the app on the local Functions host in its own process until the block ends.

    `settings` are app settings; they override the environment. Port 0 means any free port. `on_log`
    gets each line of the host's log, which otherwise goes to stderr. With `keys` the host requires
    one of them, as Azure does. `home_link` is the page that the host's home page links to. Raises
    StackError if the host does not start.
    """
    with interrupts_masked():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "localdev", "host", "--json", "--is-child"),
            *("--port", str(port), "--home-link", home_link),
            *(["--keys-from-stdin"] if keys else []),
            cwd=ROOT,
            env={**os.environ, **settings},
            stdin=asyncio.subprocess.PIPE if keys else None,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE if on_log else None,
        )
    reader = process.stderr and on_log and asyncio.create_task(_read_log(process.stderr, on_log))
    try:
        if process.stdin and keys:  # neither the arguments nor the app's environment have them
            process.stdin.write(json.dumps(asdict(keys)).encode())
            process.stdin.close()
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
    await wait_or_kill(process)


async def wait_or_kill(process: asyncio.subprocess.Process) -> None:
    """Give a process a few seconds to end, and then, or if the wait is cancelled, kill it."""
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
