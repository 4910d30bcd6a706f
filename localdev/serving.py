"""`dev.py up` and `dev.py host`: run the app, with or without the emulator, until a signal."""

import argparse
import asyncio
import errno
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from localdev.banner import write_banner
from localdev.doctor.app_settings import POLICY_FILE, policy_file
from localdev.host.keys import Keys, make_keys
from localdev.host.settings import apply_local_settings
from localdev.installation import say
from localdev.kept_keys import KEYS_FILE, keep_keys, read_keys
from localdev.log_lines import has_colors, print_line
from localdev.saved_policy import SavedPolicy
from localdev.stack import (
    CONNECTION,
    ROOT,
    HostProcess,
    Stack,
    StackError,
    connect,
    run_host,
    sample_settings,
)
from localdev.start_check import check_start
from webpubsub_emulator.command import (
    StopSignal,
    announce_ready,
    build_emulator,
    control_fact,
    stop_signal,
)

if TYPE_CHECKING:
    from webpubsub_emulator import Emulator

DEMO_PAGE, DESCRIPTION = "/api/demo", "/api/openapi.yaml"


async def serve_stack(options: argparse.Namespace) -> int:
    """Run the emulator and the app. Raises StackError if the app's host ends by itself."""
    stopped = stop_signal()
    check_port(options.emulator_port, "--emulator-port")
    check_port(options.host_port, "--host-port")
    with TemporaryDirectory() as folder:
        policy = SavedPolicy(policy_file(os.environ), Path(folder))
        report = await check_before_start(policy)
        serving = Serving(options, stopped, policy, read_or_make_keys(options))
        try:
            async with build_emulator(options, options.emulator_port) as emulator:
                await serving.run(emulator, report)
        except StackError:
            if not stopped.is_set():  # Ctrl-C also ends a host that is just starting
                raise
    return stopped.status


async def check_before_start(policy: SavedPolicy) -> dict[str, Any]:
    """Return what the app says about its settings and the policy. Raises StackError."""
    try:
        return await check_start(checked_settings(), policy)
    except StackError as error:
        text = "Nothing was started, because the app would refuse every request:"
        raise StackError(f"{text}\n{error}") from None


def checked_settings() -> Mapping[str, str]:
    """Return the settings of the app. Its service is the emulator, whatever the settings name."""
    return {**os.environ, CONNECTION: sample_settings()[CONNECTION]}


def read_or_make_keys(options: argparse.Namespace) -> Keys | None:
    """Return the keys of each start, which people copy; a program reads new ones each time."""
    if not options.keys:
        return None
    return make_keys() if options.json else keep_keys(KEYS_FILE)


class Serving:
    """Runs the app with an emulator, and again at each save of the policy, until a signal."""

    def __init__(
        self,
        options: argparse.Namespace,
        stopped: StopSignal,
        policy: SavedPolicy,
        keys: Keys | None,
    ) -> None:
        self._options = options
        self._stopped = stopped
        self._policy = policy
        self._keys = keys
        self._port: int = options.host_port

    async def run(self, emulator: "Emulator", report: Mapping[str, Any]) -> None:
        """Run until a signal. Raises StackError if the app's host ends by itself."""
        async with self._run_host(emulator) as host:
            stack = connect(emulator, host, os.environ.get("WebPubSubHub", ""))
            # The port stays for every later process: pages and the event handler have it.
            self._port = urlsplit(host.address).port or 0
            self._announce(stack, report)
            await self._wait(host)
        while not self._stopped.is_set():
            async with self._run_host(emulator) as host:
                say(f"{self._policy.file.name} was saved: the app runs with it now")
                await self._wait(host)

    @asynccontextmanager
    async def _run_host(self, emulator: "Emulator") -> AsyncIterator[HostProcess]:
        options = self._options
        settings = {
            "WebPubSubHub": os.environ.get("WebPubSubHub", ""),
            CONNECTION: emulator.connection_string,
            POLICY_FILE: str(self._policy.copy),
        }
        link = DEMO_PAGE if is_demo_on() else DESCRIPTION
        on_log = print_line if not options.json and sys.stderr.isatty() else None
        async with run_host(
            settings, port=self._port, on_log=on_log, keys=self._keys, home_link=link
        ) as host:
            yield host

    async def _wait(self, host: HostProcess) -> None:
        """Wait for a signal or a policy to run with. Raises StackError if the host ends."""
        ended = asyncio.create_task(host.process.wait())
        saved = asyncio.create_task(self._wait_for_policy())
        waits = [ended, saved, asyncio.create_task(self._stopped.wait())]
        done, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        if self._stopped.is_set():
            return
        if ended in done:
            raise StackError(f"The Functions host ended by itself, with status {ended.result()}.")
        saved.result()  # raises what the watch of the file raised

    async def _wait_for_policy(self) -> None:
        """Wait for a save that the app can run with; report each one that it cannot run with."""
        while True:
            running = self._policy.copy
            await self._policy.wait_for_save()
            try:
                await check_start(checked_settings(), self._policy)
            except StackError as error:
                self._policy.copy = running
                name = self._policy.file.name
                say(f"{name} was saved, but the app runs with the one before:\n{error}")
            else:
                return

    def _announce(self, stack: Stack, report: Mapping[str, Any]) -> None:
        facts, keys = stack_facts(stack), stack.host.keys
        if self._options.json:
            announce_ready(True, facts, keys)
            return
        colors = has_colors(sys.stdout)
        print(write_banner(facts, keys, report, self._options, has_colors=colors), flush=True)


def check_port(port: int, option: str) -> None:
    """Raise StackError if the port cannot be used: the text names it, and the option that helps."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            pass
    except OSError as error:
        is_busy = error.errno == errno.EADDRINUSE
        reason = "is in use. Stop what uses it" if is_busy else f"cannot be used: {error.strerror}"
        raise StackError(f"Port {port} {reason}, or give another one with {option}.") from None


def stack_facts(stack: Stack) -> dict[str, str]:
    """Return the hub, and the addresses of the stack."""
    return {
        "connectionString": stack.emulator.connection_string,
        "hub": stack.hub,
        "emulator": stack.emulator.endpoint,
        "host": stack.host.address,
        **({"demo": f"{stack.host.address}{DEMO_PAGE}"} if is_demo_on() else {}),
        **control_fact(stack.emulator),
    }


def is_demo_on() -> bool:
    """Return whether the app serves its demo page."""
    # The app ignores the case of the flag, and only "true" means on.
    return os.environ.get("USHER_DEMO", "").lower() == "true"


async def serve_host(options: argparse.Namespace) -> int:
    """Run the app, or the one in the folder `options.app`, on the local host."""
    from localdev.host.server import FunctionsHost  # the Functions runtime, which `up` starts apart

    stopped = stop_signal()
    app_dir: Path = options.app or ROOT
    apply_local_settings(app_dir)
    os.chdir(app_dir)  # where `func start` runs an app, too
    keys = make_keys() if options.keys else None
    if options.keys_from_stdin:
        keys = read_keys(sys.stdin.read())
    check_port(options.port, "--port")
    async with FunctionsHost(
        app_dir, port=options.port, keys=keys, home_link=options.home_link
    ) as running:
        announce_ready(options.json, {"host": running.address}, asdict(keys) if keys else None)
        await stopped.wait()
    # As in Azure, the app keeps connections open until its process ends. Do not log that.
    logging.disable()
    return stopped.status
