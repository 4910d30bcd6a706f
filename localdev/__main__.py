"""`python -m localdev COMMAND`: the commands behind dev.py."""

import argparse
import asyncio
import errno
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from localdev.emulator.faults import FAULTS, Fault, FaultError, Faults, parse_fault
from localdev.emulator.handler_settings import read_settings
from localdev.emulator.server import Emulator
from localdev.emulator.tokens import ACCESS_KEY, sign_data_plane_token
from localdev.host.errors import HostError
from localdev.host.keys import make_keys
from localdev.host.logs import configure_logging
from localdev.host.server import FunctionsHost
from localdev.host.settings import apply_local_settings
from localdev.stack import ROOT, StackError, add_handler, ensure_local_settings, run_stack

EMULATOR_PORT = 8080  # the sample settings name it
HOST_PORT = 7071  # where Azure Functions Core Tools listen


def main() -> int:
    """Runs one command; the exit status tells whether it did what it is for."""
    options, rest = parse_arguments(sys.argv[1:])
    try:
        return int(options.run(options, rest))
    except (HostError, StackError) as error:
        return fail(str(error))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return fail(f"A port is in use ({error.strerror}). Stop what uses it, or name another one.")
    except KeyboardInterrupt:  # where signals have no handlers (Windows)
        return 0


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Only `test` and `bench` take further arguments; they go to what these start."""
    parser = argparse.ArgumentParser(prog="dev.py")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, run: Callable[..., int], text: str, *, add_help: bool = True
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, add_help=add_help)
        command.set_defaults(run=run, name=name)
        return command

    add("demo", demo, "Runs the whole journey on this machine and shows each step.")
    up_parser = add("up", up, "Runs the emulator and the app on the local host, until Ctrl-C.")
    add_port(up_parser, "--emulator-port", EMULATOR_PORT)
    add_port(up_parser, "--host-port", HOST_PORT)
    emulator_parser = add("emulator", emulator, "Runs the Web PubSub emulator alone.")
    add_port(emulator_parser, "--port", EMULATOR_PORT)
    emulator_parser.add_argument(
        "--handler",
        action="append",
        default=[],
        type=read_handler,
        metavar="HUB=URL",
        help="send all events of HUB to URL, in which {hub} and {event} are replaced; repeatable",
    )
    emulator_parser.add_argument(
        "--handlers",
        type=Path,
        metavar="FILE",
        help="event handlers with patterns, in JSON, before those of --handler",
    )
    host_parser = add("host", host, "Runs the app on the local Functions host alone.")
    add_port(host_parser, "--port", HOST_PORT)
    for command in (up_parser, emulator_parser):
        add_faults(command)
    for command in (up_parser, emulator_parser, host_parser):
        command.add_argument(
            "--json", action="store_true", help="print one line of JSON on stdout when ready"
        )
    for command in (up_parser, host_parser):
        command.add_argument(
            "--keys", action="store_true", help="ask for access keys, as Azure does, and print them"
        )
    add("token", token, "Prints a data plane token for the running emulator, good for an hour.")
    test_parser = add("test", test, "Runs all tests. Further arguments go to pytest.")
    test_parser.add_argument(
        "--target",
        metavar="CONNECTION_STRING",
        help="run the contract suite alone, against this Web PubSub service, and print a table",
    )
    fuzz_parser = add("fuzz", fuzz, "Sends bad input to the emulator until something breaks.")
    fuzz_parser.add_argument(
        "--minutes", type=float, default=5, help="how long, if nothing breaks; 5 if not given"
    )
    add("check", check, "Checks formatting, lint and types.")
    # What is started has its own help, with the names of the benchmarks.
    add("bench", bench, "Measures the emulator: fanout, idle, slow.", add_help=False)

    options, rest = parser.parse_known_args(arguments)
    if rest and options.name not in ("test", "bench"):
        parser.error(f"unknown: {' '.join(rest)}")
    return options, rest


def add_port(parser: argparse.ArgumentParser, name: str, default: int) -> None:
    """Adds the option for a port."""
    text = f"{default} if not given; 0 means any free one"
    parser.add_argument(name, type=int, default=default, metavar="PORT", help=text)


def add_faults(parser: argparse.ArgumentParser) -> None:
    """Adds the options for what Azure does once a month."""
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=read_fault,
        metavar="NAME:KEY=VALUE,...",
        help="let this happen; repeatable. All are in the README; they are " + ", ".join(FAULTS),
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed, the same faults; 0 if not given"
    )
    parser.add_argument(
        "--control",
        action="store_true",
        help="on the emulator's port, below /control: a look inside and faults, drops and a "
        "restart while it runs. It is for this machine only, as the emulator, but without "
        "authentication: whoever may use the machine may use it",
    )


def read_fault(text: str) -> Fault:
    """Takes a fault apart."""
    try:
        return parse_fault(text)
    except FaultError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def read_handler(text: str) -> tuple[str, str]:
    """Takes `hub=url` apart."""
    hub, separator, url = text.partition("=")
    if not (hub and separator and url):
        raise argparse.ArgumentTypeError("must be of the form HUB=URL")
    return hub, url


def demo(_options: argparse.Namespace, _rest: list[str]) -> int:
    """The journey, told as it happens."""
    from localdev.demo import run_demo  # imports the official clients, which only this needs

    return asyncio.run(run_demo())


def up(options: argparse.Namespace, _rest: list[str]) -> int:
    """Both parts, until a signal."""
    ensure_local_settings()
    apply_local_settings(ROOT)
    configure_logging()
    return asyncio.run(serve_stack(options))


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


def emulator(options: argparse.Namespace, _rest: list[str]) -> int:
    """The emulator, until a signal."""
    configure_logging()
    return asyncio.run(serve_emulator(options))


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


def host(options: argparse.Namespace, _rest: list[str]) -> int:
    """The app on the local host, until a signal."""
    ensure_local_settings()
    configure_logging()
    return asyncio.run(serve_host(options))


async def serve_host(options: argparse.Namespace) -> int:
    """Serves until a signal."""
    stopped = stop_signal()
    # Differs from Azure: Linux plans there set it, and other container platforms do too. This host
    # is neither, so that the app must not take the name for Azure's.
    os.environ.pop("CONTAINER_NAME", None)
    apply_local_settings(ROOT)
    keys = make_keys() if options.keys else None
    async with FunctionsHost(ROOT, port=options.port, keys=keys) as running:
        announce_ready(options.json, {"host": running.address}, asdict(keys) if keys else None)
        await stopped.wait()
    # As in Azure, the app's connections are open until its process ends; no word about that.
    logging.disable()
    return 0


def token(_options: argparse.Namespace, _rest: list[str]) -> int:
    """A token for curl and API tools."""
    print(sign_data_plane_token(ACCESS_KEY))
    return 0


def test(options: argparse.Namespace, rest: list[str]) -> int:
    """pytest, with branch coverage printed; or the contract suite against another service."""
    if options.target is not None:
        # Without pytest's own summary, for the table says it all.
        options_of_ours = ("-rN", "--tb=short", "--target", options.target)
        return run_tool("pytest", "tests/contract", *options_of_ours, *rest)
    return run_tool("pytest", "--cov", "--cov-report=term", *rest)


def fuzz(options: argparse.Namespace, _rest: list[str]) -> int:
    """Round after round of the fuzzers, each with another seed, until the time is over."""
    end = time.monotonic() + options.minutes * 60
    environment = os.environ | {"FUZZ_EXAMPLES": "1000"}
    command = [sys.executable, "-m", "pytest", "tests/fuzz", "--quiet", "--no-header"]
    for seed in itertools.count():
        print(f"round {seed + 1}, {(end - time.monotonic()) / 60:.1f} minutes left", flush=True)
        status = subprocess.call([*command, f"--hypothesis-seed={seed}"], cwd=ROOT, env=environment)
        if status or time.monotonic() > end:
            return status
    raise AssertionError("itertools.count() does not end")


def check(_options: argparse.Namespace, _rest: list[str]) -> int:
    """All three, so that one run shows everything there is to mend."""
    tools = (("ruff", "format", "--check", "."), ("ruff", "check", "."), ("mypy",))
    return max([run_tool(*tool) for tool in tools])


def bench(_options: argparse.Namespace, rest: list[str]) -> int:
    """Ratios to floors, in processes of their own."""
    return run_tool("benchmarks", *rest)


def run_tool(*command: str) -> int:
    """A development tool of this environment."""
    return subprocess.call([sys.executable, "-m", *command], cwd=ROOT)


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


def fail(text: str) -> int:
    """One clear line for a person."""
    print(f"dev.py: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
