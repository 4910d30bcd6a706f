"""`dev.py storm`: runs storms, each from its first client's join to its last client's leave."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from localdev.open_files import allow_files
from localdev.storm.messages import END_TEXT
from localdev.storm.outcome import Plan, Records, Run, describe
from localdev.storm.report import describe_runs, write_report
from localdev.storm.stack import Child, StormStack, run_child, run_storm_stack

GROUP = "lobby"  # the sample policy lets every user join it
SILENCE_SECONDS = 15.0  # without a log record, no more will follow: the app spends 10 s on an event
FILES_PER_CLIENT = 4  # at either end: the WebSocket, negotiate, and events
OTHER_FILES = 100
DIGESTS = {"both": (True, False), "on": (True,), "off": (False,)}


def run_storm(options: argparse.Namespace) -> int:
    """Run what the options ask for and print the report; return 1 if something is wrong, else 0.

    Raises StackError and OSError.
    """
    runs = asyncio.run(_run_all(options))
    print(json.dumps(describe_runs(runs), indent=2) if options.json else write_report(runs))
    return 1 if any(run.complaints() for run in runs) else 0


async def _run_all(options: argparse.Namespace) -> list[Run]:
    return [
        await run_rounds(_read_plan(options, has_digest)) for has_digest in DIGESTS[options.digest]
    ]


def _read_plan(options: argparse.Namespace, has_digest: bool) -> Plan:
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


async def run_rounds(plan: Plan) -> Run:
    """Run all rounds on one stack, which shows whether its memory grows."""
    allow_files(plan.users * FILES_PER_CLIENT + OTHER_FILES)
    run = Run(plan)
    async with run_storm_stack(plan.settings, plan.instances) as stack:
        run.before.append(stack.usage())
        for number in range(1, plan.rounds + 1):
            async with _print_progress(stack, plan, number):
                await _run_round(stack, run)
    return run


async def _run_round(stack: StormStack, run: Run) -> None:
    stack.records = Records()
    async with run_child("localdev.storm.clients") as clients:
        counts = await _connect_clients(stack, clients, run.plan)
        members = await _send_end_and_list_members(stack)
        received = await clients.call("finish")
        run.full.append(stack.usage())
    faults = dict(zip(map(str, run.plan.faults), counts, strict=True))
    run.outcomes.append(describe(received, stack.records, members, faults))
    await _wait_for(stack, lambda: stack.records.left.issuperset(members))
    await stack.emulator.call("collect_garbage")
    run.after.append(stack.usage())


async def _connect_clients(stack: StormStack, clients: Child, plan: Plan) -> list[int]:
    """Connect all clients while faults are injected, and wait until the app recorded their joins.

    Returns how often each fault happened.
    """
    place = {"host": stack.address, "group": GROUP}
    texts = [str(fault) for fault in plan.faults]
    await stack.emulator.call("replace_faults", faults=texts, seed=plan.seed)
    first = await clients.call("connect_first", **place)
    await _wait_for(stack, lambda: stack.records.have_joined(first))
    numbers = {"last": plan.users, "users": plan.distinct_users, "rate": plan.rate}
    joined = await clients.call("connect_others", **place, **numbers)
    await _wait_for(stack, lambda: stack.records.have_joined(joined))
    counts: list[int] = await stack.emulator.call("replace_faults", faults=[], seed=0)
    return counts


async def _wait_for(stack: StormStack, is_done: Callable[[], bool]) -> None:
    """Wait until it is done, or until the app has recorded nothing for SILENCE_SECONDS."""
    started = time.monotonic()
    while not is_done():
        if time.monotonic() - max(started, stack.records.last_at) > SILENCE_SECONDS:
            return
        await asyncio.sleep(0.05)


@asynccontextmanager
async def _print_progress(stack: StormStack, plan: Plan, number: int) -> AsyncIterator[None]:
    """Print on stderr, once per second, how many joins the app has recorded."""

    async def print_lines() -> None:
        while True:
            await asyncio.sleep(1)
            records = stack.records
            print(
                f"storm, {plan.name}, round {number} of {plan.rounds}: of {plan.users:,} clients "
                f"{records.negotiated:,} negotiated, {len(records.joins):,} joined, "
                f"{records.announced():,} were announced, {len(records.left):,} left",
                file=sys.stderr,
                flush=True,
            )

    task = asyncio.create_task(print_lines())
    try:
        yield
    finally:
        task.cancel()


async def _send_end_and_list_members(stack: StormStack) -> dict[str, str]:
    """Send the last message to the group; return the connections that the service lists in it.

    Each connection has its user.
    """
    async with WebPubSubServiceClient.from_connection_string(
        stack.connection_string, stack.hub
    ) as service:
        await service.send_to_group(GROUP, END_TEXT, content_type="text/plain")
        members = service.list_connections(group=GROUP)
        return {member.connection_id: str(member.user_id) async for member in members}
