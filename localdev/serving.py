"""Runs the emulator, the host or both until a signal, and tells where they are."""

import argparse
import asyncio
import json
import logging
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from localdev.emulator.faults import Faults
from localdev.emulator.handler_settings import read_settings
from localdev.emulator.server import Emulator
from localdev.host.keys import make_keys
from localdev.host.server import FunctionsHost
from localdev.host.settings import apply_local_settings
from localdev.stack import ROOT, StackError, add_handler, run_stack


async def serve_stack(options: argparse.Namespace) -> int:
    """Serves until a signal, or until the host ends by itself."""
    stopped = stop_signal()
    settings = {"WebPubSubHub": os.environ.get("WebPubSubHub", "")}
    subject = build_emulator(options, options.emulator_port)
    async with run_stack(
        settings, emulator=subject, host_port=options.host_port, keys=options.keys
    ) as stack:
        announce_ready(
            options.json,
            {
                "connectionString": stack.emulator.connection_string,
                "hub": stack.hub,
                "emulator": stack.emulator.endpoint,
                "host": stack.host.address,
                **demo_fact(stack.host.address),
                **control_fact(stack.emulator),
            },
            stack.host.keys,
        )
        ended = asyncio.create_task(stack.host.process.wait())
        waits = [ended, asyncio.create_task(stopped.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.is_set():
            raise StackError(f"The Functions host ended by itself, with status {ended.result()}.")
    return 0


async def serve_emulator(options: argparse.Namespace) -> int:
    """Serves until a signal."""
    stopped = stop_signal()
    subject = build_emulator(options, options.port)
    if options.handlers is not None:
        add_handlers(subject, options.handlers)
    for hub, url in options.handler:
        add_handler(subject, hub, url)
    async with subject as running:
        facts = {"connectionString": running.connection_string, **control_fact(running)}
        announce_ready(options.json, facts)
        await stopped.wait()
    return 0


def build_emulator(options: argparse.Namespace, port: int) -> Emulator:
    """An emulator as the options want it; it is not started."""
    faults = Faults(options.fault, options.seed)
    return Emulator(port=port, faults=faults, control=options.control)


def demo_fact(address: str) -> dict[str, str]:
    """Where the app's demo page is, if its settings switch it on."""
    # As the app takes the flag: in any case, and anything else is off or an error.
    is_on = os.environ.get("USHER_DEMO", "").lower() == "true"
    return {"demo": f"{address}/api/demo"} if is_on else {}


def control_fact(running: Emulator) -> dict[str, str]:
    """Where the control endpoint is, if there is one."""
    return {} if running.control_url is None else {"control": running.control_url}


def add_handlers(subject: Emulator, file: Path) -> None:
    """Adds the event handlers of a file; StackError says where it is wrong."""
    try:
        for hub, setting in read_settings(file.read_text("utf-8")):
            subject.add_event_handler(
                hub,
                setting.url_template,
                system_events=setting.system_events,
                user_event_pattern=setting.user_event_pattern,
            )
    except OSError as error:
        raise StackError(f"{file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise StackError(f"{file}: {error}") from None


async def serve_host(options: argparse.Namespace) -> int:
    """Serves until a signal."""
    stopped = stop_signal()
    apply_local_settings(ROOT)
    keys = make_keys() if options.keys else None
    async with FunctionsHost(ROOT, port=options.port, keys=keys) as running:
        announce_ready(options.json, {"host": running.address}, asdict(keys) if keys else None)
        await stopped.wait()
    # As in Azure, the app's connections are open until its process ends; no word about that.
    logging.disable()
    return 0


def announce_ready(
    as_json: bool, facts: dict[str, str], keys: Mapping[str, str] | None = None
) -> None:
    """Tells a program, or a person, where things are, and the keys if there are any."""
    lines = [f"{name}: {fact}" for name, fact in facts.items()]
    lines += [f"{name} key: {key}" for name, key in (keys or {}).items()]
    document = json.dumps({**facts, "keys": keys} if keys else facts)
    print(document if as_json else "\n".join([*lines, "Ctrl-C stops."]), flush=True)


def stop_signal() -> asyncio.Event:
    """Set by Ctrl-C and by SIGTERM."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt there
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped
