"""`dev.py storm`: the runs that are asked for, one beside the other, and their report."""

import argparse
import asyncio
import json
import sys

from localdev.storm.plan import Plan, Run
from localdev.storm.report import describe_runs, write_report
from localdev.storm.storm import run_storms

DIGESTS = {"both": (True, False), "on": (True,), "off": (False,)}


def run_storm(options: argparse.Namespace) -> int:
    """0 where everything is as it must be, else 1. Raises StackError, OSError."""
    runs = asyncio.run(run_all(options))
    print(json.dumps(describe_runs(runs), indent=2) if options.json else write_report(runs))
    return 1 if any(run.complaints() for run in runs) else 0


async def run_all(options: argparse.Namespace) -> list[Run]:
    """Each on a stack of its own."""
    return [
        await run_storms(read_plan(options, has_digest), say)
        for has_digest in DIGESTS[options.digest]
    ]


def read_plan(options: argparse.Namespace, has_digest: bool) -> Plan:
    """The options of the command line."""
    return Plan(
        users=options.users,
        rate=options.rate,
        format=options.format,
        faults=tuple(options.fault),
        seed=options.seed,
        rounds=options.rounds,
        instances=options.instances,
        has_digest=has_digest,
    )


def say(text: str) -> None:
    """Progress, for a person who waits."""
    print(text, file=sys.stderr, flush=True)
