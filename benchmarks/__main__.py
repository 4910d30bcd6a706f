"""`python -m benchmarks [NAME ...]`: measures, and prints a table. `dev.py bench` starts it."""

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Callable, Coroutine
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from benchmarks import fanout, idle, slow
from benchmarks.figures import Report
from benchmarks.processes import BenchmarkError

Measure = Callable[[int, Callable[[str], None]], Coroutine[Any, Any, Report]]

BENCHMARKS: dict[str, Measure] = {
    "fanout": fanout.measure,
    "idle": idle.measure,
    "slow": slow.measure,
}
ROUNDS = 3


def main() -> int:
    """Runs them; 0 also where a goal is missed, 1 where something broke."""
    options = parse_arguments()
    try:
        reports = [run(name, options.rounds) for name in options.names or BENCHMARKS]
    except (BenchmarkError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(everything(reports), indent=2) + "\n", "utf-8")
    return 0


def parse_arguments() -> argparse.Namespace:
    """Names are checked by hand: argparse refuses an empty list of choices."""
    parser = argparse.ArgumentParser(
        prog="dev.py bench",
        description="Measures the emulator beside a floor: fanout (CPU per message), idle (memory "
        "per connection), slow (delays beside a client that does not read).",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones; all if not given")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, metavar="N", help=f"{ROUNDS} if not given"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there as JSON")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"unknown: {' '.join(unknown)}")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def run(name: str, rounds: int) -> Report:
    """One benchmark; its table appears at once."""
    report = asyncio.run(BENCHMARKS[name](rounds, say))
    print(report.text() + "\n", flush=True)
    return report


def say(text: str) -> None:
    """Progress, for a person who waits."""
    print(text, file=sys.stderr, flush=True)


def everything(reports: list[Report]) -> dict[str, Any]:
    """All samples, and what they were taken on."""
    return {
        "machine": {"platform": platform.platform(), "processors": os.cpu_count()},
        "python": platform.python_version(),
        "packages": {found.name: found.version for found in distributions()},
        "benchmarks": [report.facts() for report in reports],
    }


if __name__ == "__main__":
    sys.exit(main())
