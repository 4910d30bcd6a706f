"""`dev.py up` and `dev.py host`: run the app, with or without the emulator, until a signal."""

import argparse
import asyncio
import errno
import logging
import os
import socket
import sys
from dataclasses import asdict
from pathlib import Path

from localdev.host.keys import make_keys
from localdev.host.server import FunctionsHost
from localdev.host.settings import apply_local_settings
from localdev.log_lines import print_line
from localdev.stack import ROOT, Stack, StackError, run_stack
from webpubsub_emulator.command import announce_ready, build_emulator, control_fact, stop_signal


async def serve_stack(options: argparse.Namespace) -> int:
    """Run the emulator and the app. Raises StackError if the app's host ends by itself."""
    stopped = stop_signal()
    settings = {"WebPubSubHub": os.environ.get("WebPubSubHub", "")}
    emulator = build_emulator(options, options.emulator_port)
    check_port(options.emulator_port, "--emulator-port")
    check_port(options.host_port, "--host-port")
    on_log = print_line if not options.json and sys.stderr.isatty() else None
    async with run_stack(
        settings,
        emulator=emulator,
        host_port=options.host_port,
        on_log=on_log,
        keys=options.keys,
    ) as stack:
        announce_ready(options.json, stack_facts(stack), stack.host.keys)
        await wait_for_end(stack, stopped)
    return stopped.status


async def wait_for_end(stack: Stack, stopped: asyncio.Event) -> None:
    """Wait for a signal. Raises StackError if the app's host ends before."""
    ended = asyncio.create_task(stack.host.process.wait())
    waits = [ended, asyncio.create_task(stopped.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    if not stopped.is_set():
        raise StackError(f"The Functions host ended by itself, with status {ended.result()}.")


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
        **demo_fact(stack.host.address),
        **control_fact(stack.emulator),
    }


def demo_fact(address: str) -> dict[str, str]:
    """Return the demo page's URL under the key `demo`, or nothing if the page is off."""
    # The app ignores the case of the flag, and only "true" means on.
    is_on = os.environ.get("USHER_DEMO", "").lower() == "true"
    return {"demo": f"{address}/api/demo"} if is_on else {}


async def serve_host(options: argparse.Namespace) -> int:
    """Run the app, or the one in the folder `options.app`, on the local host."""
    stopped = stop_signal()
    app_dir: Path = options.app or ROOT
    apply_local_settings(app_dir)
    os.chdir(app_dir)  # where `func start` runs an app, too
    keys = make_keys() if options.keys else None
    check_port(options.port, "--port")
    async with FunctionsHost(app_dir, port=options.port, keys=keys) as running:
        announce_ready(options.json, {"host": running.address}, asdict(keys) if keys else None)
        await stopped.wait()
    # As in Azure, the app keeps connections open until its process ends. Do not log that.
    logging.disable()
    return stopped.status
