"""`python -m benchmarks [NAME ...]`: run benchmarks and print a table of each.

`dev.py bench` starts it.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from benchmarks import bans, connected, crowd, fanout, idle, negotiate, presence, slow, start
from benchmarks.children import BenchmarkError
from benchmarks.comparison import ComparisonError, compare_runs, read_run
from benchmarks.figures import Report
from benchmarks.machine import describe_machine, machine_line

type Measure = Callable[[int, Callable[[str], None]], Coroutine[Any, Any, Report]]

# Name -> function and default number of rounds.
BENCHMARKS: dict[str, tuple[Measure, int]] = {
    "start": (start.measure, start.ROUNDS),
    "negotiate": (negotiate.measure, negotiate.ROUNDS),
    "connected": (connected.measure, connected.ROUNDS),
    "bans": (bans.measure, bans.ROUNDS),
    "presence": (presence.measure, presence.ROUNDS),
    "crowd": (crowd.measure, crowd.ROUNDS),
    "fanout": (fanout.measure, fanout.ROUNDS),
    "idle": (idle.measure, idle.ROUNDS),
    "slow": (slow.measure, slow.ROUNDS),
}


def main() -> int:
    """Run the chosen benchmarks. Return 0 even if a goal is missed, 1 if a benchmark broke."""
    options = parse_arguments()
    machine = describe_machine()
    print(f"machine: {machine_line(machine)}\n", flush=True)
    try:
        reports = [run(name, options.rounds) for name in options.names or BENCHMARKS]
    except (BenchmarkError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    exported = export(reports, machine)
    if options.compare:
        print(compare_runs(options.compare, exported))
    if options.json:
        options.json.write_text(json.dumps(exported, indent=2) + "\n", "utf-8")
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line.

    Names are checked here, because argparse refuses an empty list of choices.
    """
    parser = argparse.ArgumentParser(
        prog="dev.py bench",
        description="Measures the app and the emulator, each against a floor. The app: start (time "
        "and memory to the first answer), negotiate (CPU per token), connected (CPU and delay of a "
        "connection that is added and announced), presence (CPU of the same in presence format), "
        "crowd (deliveries while 1,000 clients join in presence format), bans (what they add to "
        "negotiate and connected). "
        "The emulator: fanout (CPU per message), idle (memory per connection), slow (delays while "
        "one client does not read).",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks; default: all")
    defaults = ", ".join(f"{name} {rounds}" for name, (_, rounds) in BENCHMARKS.items())
    parser.add_argument("--rounds", type=int, metavar="N", help=f"default: {defaults}")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all samples to FILE as JSON"
    )
    text = "compare with the run that --json wrote to FILE"
    parser.add_argument("--compare", type=Path, metavar="FILE", help=text)
    options = parser.parse_args()
    check_options(parser, options)
    return options


def check_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse what cannot run, and read the run to compare with: before a run of minutes."""
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"unknown: {' '.join(unknown)}")
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    try:
        options.compare = options.compare and read_run(options.compare)
    except ComparisonError as error:
        parser.error(f"--compare: {error}")


def run(name: str, rounds: int | None) -> Report:
    """Run one benchmark and print its table at once."""
    measure, default_rounds = BENCHMARKS[name]
    report = asyncio.run(measure(rounds or default_rounds, say))
    print(report.text() + "\n", flush=True)
    return report


def say(text: str) -> None:
    """Print progress on stderr."""
    print(text, file=sys.stderr, flush=True)


def export(reports: list[Report], machine: dict[str, Any]) -> dict[str, Any]:
    """Return all samples with the machine, Python and packages they were taken on."""
    return {
        "machine": machine,
        "packages": {found.name: found.version for found in distributions()},
        "benchmarks": [report.as_dict() for report in reports],
    }


if __name__ == "__main__":
    sys.exit(main())
