"""`python -m localdev COMMAND`: the commands behind dev.py.

What only some commands need is imported in their functions: options need the standard library
alone, so that `--help` works before anything is installed, and `emulator` needs no Functions
runtime, but aiohttp and PyJWT.
"""

import argparse
import asyncio
import difflib
import os
import signal
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

from localdev.arguments import (
    add_app_options,
    add_audit_options,
    add_demo_options,
    add_fuzz_options,
    add_host_options,
    add_pin_options,
    add_provision_options,
    add_remove_options,
    add_status_options,
    add_storm_options,
    add_test_options,
    add_up_options,
)
from localdev.doctor.target import add_doctor_options
from localdev.host.errors import HostError
from localdev.host.logs import configure_logging
from localdev.host.settings import apply_local_settings
from localdev.interrupts import INTERRUPTED, mask_interrupts
from localdev.stack import ROOT, StackError, ensure_local_settings
from localdev.suite import run_contract_suite, run_suite
from localdev.tools import run_tool
from webpubsub_emulator.command import main as run_emulator

BROKEN_PIPE = 141  # 128 and the number of SIGPIPE, as of a shell
LOG_LEVEL = os.environ.get("LOG_LEVEL", "INFO")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of dev.py.

    `run` gets the options and the arguments that are no options of the command, and returns the
    exit status. Such arguments are an error unless `passes_on`: then the tool that the command
    starts reads them. `has_help` is False if that tool prints the help, too.
    """

    help: str
    run: Callable[[argparse.Namespace, list[str]], int]
    add_options: Callable[[argparse.ArgumentParser], None] = lambda _: None
    passes_on: bool = False
    has_help: bool = True


def main() -> int:
    """Run one command and return its exit status."""
    options, rest = parse_arguments(sys.argv[1:])
    try:
        if not getattr(options, "is_child", False):
            receive_interrupts()
        status = COMMANDS[options.command].run(options, rest)
        sys.stdout.flush()
        return status
    except (HostError, StackError) as error:
        return fail(str(error))
    except BrokenPipeError:  # of `dev.py | head`; Python must not flush stdout again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED


def receive_interrupts() -> None:
    """Let SIGTERM end a command as Ctrl-C does, together with all processes that it started."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    mask_interrupts(False)  # dev.py masked them for the time of the imports


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the command with its options, and the arguments that it passes on."""
    parser = argparse.ArgumentParser(prog="dev.py")
    parsers = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, command in COMMANDS.items():
        text = command.help
        added = parsers.add_parser(name, help=text, description=text, add_help=command.has_help)
        command.add_options(added)
    options, rest = parser.parse_known_args(arguments)
    if rest and not COMMANDS[options.command].passes_on:
        known = list(parsers.choices[options.command]._option_string_actions)
        parser.error(f"unknown: {' '.join(rest)}{suggest_options(rest[0], known)}")
    return options, rest


def suggest_options(unknown: str, known: list[str]) -> str:
    """Return the options that an unknown one may mean: `--host-port` for `--port`."""
    word = unknown.lstrip("-").partition("=")[0]
    found = [option for option in known if word and word in option]
    found = found or difflib.get_close_matches(unknown, known)
    return f". Here it is {' or '.join(found)}" if found else ""


def demo(options: argparse.Namespace, _rest: list[str]) -> int:
    # Imported here, because they import the official clients.
    from localdev.demo import run_demo
    from localdev.presence_demo import run_presence_demo

    return asyncio.run(run_presence_demo() if options.presence else run_demo())


def up(options: argparse.Namespace, _rest: list[str]) -> int:
    from localdev.serving import serve_stack  # imports the Functions runtime

    ensure_local_settings()
    apply_local_settings(ROOT)
    configure_logging(level=LOG_LEVEL)
    return asyncio.run(serve_stack(options))


def emulator(_options: argparse.Namespace, rest: list[str]) -> int:
    if "--version" in rest:  # of the source, which may be on the path without an installation
        print(tomllib.loads((ROOT / "emulator/pyproject.toml").read_text())["project"]["version"])
        return 0
    # dev.py changes to its own folder; a relative --handlers is relative to where it was called.
    os.chdir(os.environ.get("DEV_PY_CALLED_FROM", "."))
    return run_emulator(rest, prog="dev.py emulator")


def host(options: argparse.Namespace, _rest: list[str]) -> int:
    from localdev.serving import serve_host  # imports the Functions runtime

    if options.app is None:
        ensure_local_settings()
    configure_logging(level=LOG_LEVEL)
    return asyncio.run(serve_host(options))


def token(_options: argparse.Namespace, _rest: list[str]) -> int:
    from webpubsub_emulator import ACCESS_KEY, sign_data_plane_token  # imports PyJWT

    print(sign_data_plane_token(ACCESS_KEY))
    return 0


def status(options: argparse.Namespace, _rest: list[str]) -> int:
    from localdev.status import report_status  # imports aiohttp

    return asyncio.run(report_status(options))


def provision(options: argparse.Namespace, _rest: list[str]) -> int:
    from localdev.provision import call_provision  # imports aiohttp

    return asyncio.run(call_provision(options))


def remove(options: argparse.Namespace, _rest: list[str]) -> int:
    from localdev.removals import remove_user  # imports aiohttp

    return asyncio.run(remove_user(options))


def removals(options: argparse.Namespace, _rest: list[str]) -> int:
    from localdev.removals import list_removals  # imports aiohttp

    return asyncio.run(list_removals(options))


def doctor(options: argparse.Namespace, _rest: list[str]) -> int:
    from localdev.doctor.examination import run_doctor

    return run_doctor(options)


def policy(_options: argparse.Namespace, rest: list[str]) -> int:
    """Let the app explain its policy, with its local settings."""
    if not {"-h", "--help"} & {*rest}:
        ensure_local_settings()
        apply_local_settings(ROOT)
    return run_tool("usher.explain", *rest)


def test(options: argparse.Namespace, rest: list[str]) -> int:
    if options.target is not None:
        return run_contract_suite(options.target, rest)
    return run_suite(rest, is_quick=options.quick, has_coverage=options.coverage)


def fuzz(options: argparse.Namespace, _rest: list[str]) -> int:
    """Run the fuzzers in rounds, each with another seed, until one fails or the time is over."""
    end = time.monotonic() + options.minutes * 60
    environment = os.environ | {"FUZZ_EXAMPLES": "1000"}
    command = ("pytest", "emulator/tests/fuzz", "--quiet", "--no-header")
    status = seed = 0
    while status == 0 and time.monotonic() < end:
        seed += 1
        print(f"round {seed}, {(end - time.monotonic()) / 60:.1f} minutes left", flush=True)
        status = run_tool(*command, f"--hypothesis-seed={seed}", environment=environment)
    return status


def check(_options: argparse.Namespace, _rest: list[str]) -> int:
    """Run every tool even if one fails, so that one run shows every error."""
    # The emulator's types are checked for an older Python than the app's.
    emulator = ("mypy", "--config-file", "emulator/pyproject.toml")
    tools = (("ruff", "format", "--check", "."), ("ruff", "check", "."), ("mypy",), emulator)
    return max([run_tool(*tool) for tool in tools])


def pin(options: argparse.Namespace, _rest: list[str]) -> int:
    from localdev.dependencies import pin_dependencies  # imports packaging

    return pin_dependencies(options.upgrade)


def audit(options: argparse.Namespace, _rest: list[str]) -> int:
    from localdev.dependencies import audit_dependencies  # imports packaging

    return audit_dependencies(options.offline_ok)


def sbom(_options: argparse.Namespace, _rest: list[str]) -> int:
    from localdev.dependencies import write_bill_of_materials  # imports packaging

    return write_bill_of_materials()


def bench(_options: argparse.Namespace, rest: list[str]) -> int:
    return run_tool("benchmarks", *rest)


def storm(options: argparse.Namespace, _rest: list[str]) -> int:
    from localdev.storm.run import run_storm  # imports the service's SDK

    return run_storm(options)


def fail(text: str) -> int:
    print(f"dev.py: {text}", file=sys.stderr)
    return 1


# In the order of --help. The docstring of dev.py lists the same commands.
COMMANDS = {
    "demo": Command(
        "Run a whole journey on this machine and show each step.", demo, add_demo_options
    ),
    "up": Command("Run the emulator and the app until Ctrl-C.", up, add_up_options),
    "emulator": Command(
        "Run the Web PubSub emulator alone.", emulator, passes_on=True, has_help=False
    ),
    "host": Command(
        "Run the app, or another one, on the local Functions host alone.", host, add_host_options
    ),
    "token": Command("Print a data plane token for the running emulator, valid for 1 h.", token),
    "status": Command(
        "Show what runs here, and the hubs, groups and connections.", status, add_status_options
    ),
    "provision": Command(
        "Call the running app: issue a token, add a connection to a group and announce it.",
        provision,
        add_provision_options,
    ),
    "remove": Command(
        "Call the running app: remove a user from a group or from the whole hub.",
        remove,
        add_remove_options,
    ),
    "removals": Command(
        "Call the running app: list the removals in force.", removals, add_app_options
    ),
    "doctor": Command("Check a running app and its service.", doctor, add_doctor_options),
    "policy": Command(
        "Explain what the policy file decides for a user and a group.",
        policy,
        passes_on=True,
        has_help=False,
    ),
    "test": Command(
        "Run all tests. Further arguments go to pytest.", test, add_test_options, passes_on=True
    ),
    "fuzz": Command(
        "Send bad input to the emulator until something fails.", fuzz, add_fuzz_options
    ),
    "check": Command("Check formatting, lint and types.", check),
    "pin": Command(
        "Pin every package that production needs in requirements.txt.", pin, add_pin_options
    ),
    "audit": Command(
        "Look for known vulnerabilities in what production needs.", audit, add_audit_options
    ),
    "sbom": Command("Print what production needs as an SBOM (CycloneDX in JSON).", sbom),
    "bench": Command(
        "Measure the app and the emulator against a minimal implementation.",
        bench,
        passes_on=True,
        has_help=False,
    ),
    "storm": Command(
        "Let many clients join one group at once on a local stack, and report.",
        storm,
        add_storm_options,
    ),
}

if __name__ == "__main__":
    sys.exit(main())
