"""The command line: run the emulator until a signal."""

import argparse
import asyncio
import errno
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webpubsub_emulator.faults import FAULTS, Fault, FaultError, Faults, parse_fault
from webpubsub_emulator.units import connection_limit

if TYPE_CHECKING:
    from webpubsub_emulator.server import Emulator

PORT = 8080
INTERRUPTED = 130  # the exit status after Ctrl-C: 128 and the number of SIGINT, as of a shell
FAULT_HELP = "inject this fault; repeatable. The faults are " + ", ".join(FAULTS)
CONTROL_HELP = (
    "serve /control on the emulator's port, for this machine only and without authentication: "
    "inspect the state, change faults, drop connections and restart while the emulator runs"
)
UNITS_HELP = (
    "refuse clients beyond the connections of so many units, 1,000 each, with 429; "
    "free means the 20 of the Free tier; without it there is no limit"
)

HOW_TO_USE = "Pass this connection string to any Web PubSub SDK, in place of an Azure resource's."


class CommandError(Exception):
    """The emulator cannot run with these options; the text says why."""


def main(arguments: Sequence[str] | None = None, prog: str = "webpubsub-emulator") -> int:
    """Run the emulator until Ctrl-C or SIGTERM; return the exit status."""
    options = _parse_arguments(arguments, prog)
    level = os.environ.get("LOG_LEVEL", "INFO")
    try:
        _configure_logging(level)
        return asyncio.run(_serve(options))
    except CommandError as error:
        return _fail(prog, str(error))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return _fail(prog, f"Port {options.port} is in use. Stop what uses it, or give --port.")
    except KeyboardInterrupt:  # Windows: no signal handlers there
        return INTERRUPTED


def add_fault_options(parser: argparse.ArgumentParser) -> None:
    """Add --fault and --seed."""
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=_read_fault,
        metavar="NAME:KEY=VALUE,...",
        help=FAULT_HELP,
    )
    text = "the same seed gives the same faults; 0 by default"
    parser.add_argument("--seed", type=int, default=0, help=text)


def add_control_option(parser: argparse.ArgumentParser) -> None:
    """Add --control."""
    parser.add_argument("--control", action="store_true", help=CONTROL_HELP)


def build_emulator(
    options: argparse.Namespace, port: int, connection_limit: int | None = None
) -> "Emulator":
    """Return an emulator with the faults and the control endpoint of the options, not started."""
    # Imported here, so that --help waits for no package.
    from webpubsub_emulator.server import Emulator

    return Emulator(
        port=port,
        faults=Faults(options.fault, options.seed),
        control=options.control,
        connection_limit=connection_limit,
    )


def add_event_handler(emulator: "Emulator", hub: str, url_template: str) -> None:
    """Add an event handler. Raises CommandError if the emulator rejects the hub or the URL."""
    try:
        emulator.add_event_handler(hub, url_template)
    except ValueError as error:
        raise CommandError(f"No events can be sent for hub {hub!r}: {error}") from None


def control_fact(emulator: "Emulator") -> dict[str, str]:
    """Return the control endpoint's URL under the key `control`, or nothing without one."""
    return {} if emulator.control_url is None else {"control": emulator.control_url}


def announce_ready(
    as_json: bool, facts: Mapping[str, str], keys: Mapping[str, str] | None = None
) -> None:
    """Print addresses, and keys if there are any: one line of JSON, or one line each."""
    lines = [f"{name}: {fact}" for name, fact in facts.items()]
    lines += [f"{name} key: {key}" for name, key in (keys or {}).items()]
    document = json.dumps({**facts, "keys": keys} if keys else facts)
    print(document if as_json else "\n".join([*lines, "Ctrl-C stops."]), flush=True)


class StopSignal(asyncio.Event):
    """An event that a signal sets; `status` is the exit status that belongs to the signal."""

    status = 0

    def stop(self, status: int) -> None:
        """Set the event. Later signals have no effect."""
        self.status = status
        self.set()
        # The loop closes the pipe to which signals write before it removes their handlers. A second
        # signal in between, such as another Ctrl-C, would print a traceback.
        signal.set_wakeup_fd(-1)


def stop_signal() -> StopSignal:
    """Return an event that Ctrl-C and SIGTERM set."""
    stopped = StopSignal()
    for number, status in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 0)):
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt there
            asyncio.get_running_loop().add_signal_handler(number, stopped.stop, status)
    return stopped


def read_port(text: str) -> int:
    """Return the port of an option. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("must be a port: a whole number from 0 to 65535")
    return int(text)


def _parse_arguments(arguments: Sequence[str] | None, prog: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=prog, description="Run the Web PubSub emulator.")
    parser.add_argument("--version", action=_ShowVersion)
    text = f"{PORT} by default; 0 means any free port"
    parser.add_argument("--port", type=read_port, default=PORT, metavar="PORT", help=text)
    parser.add_argument(
        "--handler",
        action="append",
        default=[],
        type=_read_handler,
        metavar="HUB=URL",
        help="send all events of HUB to URL, in which {hub} and {event} are replaced; repeatable",
    )
    text = "hubs with settings and event handlers, in JSON; these come before the ones of --handler"
    parser.add_argument("--handlers", type=Path, metavar="FILE", help=text)
    parser.add_argument("--units", type=_read_units, metavar="UNITS", help=UNITS_HELP)
    add_fault_options(parser)
    add_control_option(parser)
    text = "print one line of JSON on stdout when ready"
    parser.add_argument("--json", action="store_true", help=text)
    return parser.parse_args(arguments)


class _ShowVersion(argparse.Action):
    """Print the version of the installed package and exit."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        # Not imported at the start, because it would make every start slower.
        from importlib.metadata import version

        print(version("webpubsub-emulator"))
        parser.exit()


def _read_fault(text: str) -> Fault:
    try:
        return parse_fault(text)
    except FaultError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _read_units(text: str) -> int:
    try:
        return connection_limit(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _read_handler(text: str) -> tuple[str, str]:
    hub, separator, url = text.partition("=")
    if not (hub and separator and url):
        raise argparse.ArgumentTypeError("must have the form HUB=URL")
    return hub, url


def _configure_logging(level: str) -> None:
    if level not in logging.getLevelNamesMapping():
        raise CommandError(f"LOG_LEVEL is not one of {', '.join(logging.getLevelNamesMapping())}")
    logging.basicConfig(level=level, format="    %(levelname)s %(name)s: %(message)s")


async def _serve(options: argparse.Namespace) -> int:
    stopped = stop_signal()
    emulator = build_emulator(options, options.port, options.units)
    if options.handlers is not None:
        _add_handlers(emulator, options.handlers)
    for hub, url in options.handler:
        add_event_handler(emulator, hub, url)
    async with emulator as running:
        _announce(options.json, running)
        await stopped.wait()
    return stopped.status


def _announce(as_json: bool, running: "Emulator") -> None:
    """Print the connection string: in a line of JSON, or alone on its line, ready to copy."""
    if as_json:
        facts = {"connectionString": running.connection_string, **control_fact(running)}
        announce_ready(as_json, facts)
        return
    print(running.connection_string, HOW_TO_USE, sep="\n")
    announce_ready(as_json, control_fact(running))


def _add_handlers(emulator: "Emulator", file: Path) -> None:
    """Take the hubs of a file. Raises CommandError, which names the place in it."""
    from webpubsub_emulator.handler_settings import read_settings

    try:
        for hub, settings, event_handlers in read_settings(file.read_text("utf-8")):
            emulator.configure_hub(hub, **asdict(settings))
            for setting in event_handlers:
                emulator.add_event_handler(
                    hub,
                    setting.url_template,
                    system_events=setting.system_events,
                    user_event_pattern=setting.user_event_pattern,
                    group_events=setting.group_events.names,
                    group_filters=setting.group_events.filters,
                )
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise CommandError(f"{file}: {error}") from None


def _fail(prog: str, text: str) -> int:
    print(f"{prog}: {text}", file=sys.stderr)
    return 1
