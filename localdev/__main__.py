"""`python -m localdev COMMAND`: the commands behind dev.py."""

import argparse
import asyncio
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from localdev.arguments import parse_arguments
from localdev.dependencies import audit_dependencies, pin_dependencies
from localdev.host.errors import HostError
from localdev.host.logs import configure_logging
from localdev.host.settings import apply_local_settings
from localdev.provision import call_provision
from localdev.serving import serve_host, serve_stack
from localdev.stack import ROOT, StackError, ensure_local_settings
from webpubsub_emulator.command import main as run_emulator
from webpubsub_emulator.tokens import ACCESS_KEY, sign_data_plane_token

LOG_LEVEL = os.environ.get("LOG_LEVEL", "INFO")


def main() -> int:
    """Runs one command; the exit status tells whether it did what it is for."""
    options, rest = parse_arguments(sys.argv[1:])
    # Ends a command as Ctrl-C does, with all that it has started.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        return RUN[options.command](options, rest)
    except (HostError, StackError) as error:
        return fail(str(error))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return fail(f"A port is in use ({error.strerror}). Stop what uses it, or name another one.")
    except KeyboardInterrupt:  # where signals have no handlers (Windows)
        return 0


def demo(_options: argparse.Namespace, _rest: list[str]) -> int:
    """The journey, told as it happens."""
    from localdev.demo import run_demo  # imports the official clients, which only this needs

    return asyncio.run(run_demo())


def up(options: argparse.Namespace, _rest: list[str]) -> int:
    """Both parts, until a signal."""
    ensure_local_settings()
    apply_local_settings(ROOT)
    configure_logging(level=LOG_LEVEL)
    return asyncio.run(serve_stack(options))


def emulator(_options: argparse.Namespace, rest: list[str]) -> int:
    """The emulator, until a signal."""
    return run_emulator(rest, prog="dev.py emulator")


def host(options: argparse.Namespace, _rest: list[str]) -> int:
    """The app on the local host, until a signal."""
    ensure_local_settings()
    configure_logging(level=LOG_LEVEL)
    return asyncio.run(serve_host(options))


def token(_options: argparse.Namespace, _rest: list[str]) -> int:
    """A token for curl and API tools."""
    print(sign_data_plane_token(ACCESS_KEY))
    return 0


def provision(options: argparse.Namespace, _rest: list[str]) -> int:
    """One call of the running app. The token is what it prints."""
    return asyncio.run(call_provision(options))


def doctor(options: argparse.Namespace, _rest: list[str]) -> int:
    """What the service and a browser would do, and what comes of it."""
    from localdev.doctor.examination import run_doctor  # only this needs what it imports

    return run_doctor(options)


def policy(_options: argparse.Namespace, rest: list[str]) -> int:
    """The app's own explanation, with its local settings."""
    ensure_local_settings()
    apply_local_settings(ROOT)
    return run_tool("usher.explain", *rest)


def test(options: argparse.Namespace, rest: list[str]) -> int:
    """pytest, with branch coverage printed; or the contract suite against another service."""
    if options.target is not None:
        # Without pytest's own summary, for the table says it all.
        options_of_ours = ("-rN", "--tb=short", "--target", options.target)
        return run_tool("pytest", "emulator/tests/contract", *options_of_ours, *rest)
    return run_tool("pytest", "--cov", "--cov-report=term", *rest)


def fuzz(options: argparse.Namespace, _rest: list[str]) -> int:
    """Round after round of the fuzzers, each with another seed, until the time is over."""
    end = time.monotonic() + options.minutes * 60
    environment = os.environ | {"FUZZ_EXAMPLES": "1000"}
    command = [sys.executable, "-m", "pytest", "emulator/tests/fuzz", "--quiet", "--no-header"]
    status = seed = 0
    while status == 0 and time.monotonic() < end:
        seed += 1
        print(f"round {seed}, {(end - time.monotonic()) / 60:.1f} minutes left", flush=True)
        status = subprocess.call([*command, f"--hypothesis-seed={seed}"], cwd=ROOT, env=environment)
    return status


def check(_options: argparse.Namespace, _rest: list[str]) -> int:
    """All three, so that one run shows everything there is to mend."""
    tools = (("ruff", "format", "--check", "."), ("ruff", "check", "."), ("mypy",))
    return max([run_tool(*tool) for tool in tools])


def pin(options: argparse.Namespace, _rest: list[str]) -> int:
    """All of production's packages; takes the package index."""
    return pin_dependencies(options.upgrade)


def audit(_options: argparse.Namespace, _rest: list[str]) -> int:
    """Where the data can be reached."""
    return audit_dependencies()


def bench(_options: argparse.Namespace, rest: list[str]) -> int:
    """Ratios to floors, in processes of their own."""
    return run_tool("benchmarks", *rest)


def storm(options: argparse.Namespace, _rest: list[str]) -> int:
    """The storm's own verdict."""
    from localdev.storm.run import run_storm  # imports the service's SDK

    return run_storm(options)


def run_tool(*command: str) -> int:
    """A development tool of this environment."""
    return subprocess.call([sys.executable, "-m", *command], cwd=ROOT)


def fail(text: str) -> int:
    """One clear line for a person."""
    print(f"dev.py: {text}", file=sys.stderr)
    return 1


RUN: dict[str, Callable[[argparse.Namespace, list[str]], int]] = {
    "demo": demo,
    "up": up,
    "emulator": emulator,
    "host": host,
    "token": token,
    "provision": provision,
    "doctor": doctor,
    "policy": policy,
    "test": test,
    "fuzz": fuzz,
    "check": check,
    "pin": pin,
    "audit": audit,
    "bench": bench,
    "storm": storm,
}

if __name__ == "__main__":
    sys.exit(main())
