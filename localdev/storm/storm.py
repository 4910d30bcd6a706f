"""Storms, each from the first client to the last that leaves."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from localdev.open_files import allow_files
from localdev.storm.children import Child, run_child
from localdev.storm.ears import THE_END
from localdev.storm.outcome import describe
from localdev.storm.plan import Plan, Run
from localdev.storm.records import Records
from localdev.storm.stack import StormStack, run_storm_stack

GROUP = "lobby"  # the sample's policy lets everybody in
SILENCE_SECONDS = 15.0  # without a record, after which none comes: an event has 10 s in the app
FILES_FOR_ONE = 4  # its WebSocket, negotiate, and events, at either end
OTHER_FILES = 100

type Say = Callable[[str], None]


async def run_storms(plan: Plan, say: Say) -> Run:
    """All rounds on one stack, so that it can be seen what stays in memory. StackError."""
    allow_files(plan.users * FILES_FOR_ONE + OTHER_FILES)
    run = Run(plan)
    async with run_storm_stack(plan.settings, plan.instances) as stack:
        run.before += stack.usage()
        for number in range(1, plan.rounds + 1):
            async with _telling(stack, plan, number, say):
                await _run_storm(stack, run)
    return run


async def _run_storm(stack: StormStack, run: Run) -> None:
    stack.records = Records()
    async with run_child("localdev.storm.clients") as crowd:
        counts = await _fill(stack, crowd, run.plan)
        members = await _end_and_list(stack)
        heard = await crowd.call("finish")
        run.full += stack.usage()
    faults = dict(zip(map(str, run.plan.faults), counts, strict=True))
    run.outcomes.append(describe(heard, stack.records, members, faults))
    await _wait(stack, lambda: stack.records.left.issuperset(members))
    await stack.emulator.call("collect")
    run.after += stack.usage()


async def _fill(stack: StormStack, crowd: Child, plan: Plan) -> list[int]:
    """All come, under the faults, and the app is done with them. How often each fault happened."""
    place = {"host": stack.address, "group": GROUP}
    texts = [str(fault) for fault in plan.faults]
    await stack.emulator.call("switch", faults=texts, seed=plan.seed)
    first = await crowd.call("enter_one", **place)
    await _wait(stack, lambda: stack.records.have_joined(first))
    everybody = await crowd.call("enter_others", **place, last=plan.users, rate=plan.rate)
    await _wait(stack, lambda: stack.records.have_joined(everybody))
    counts: list[int] = await stack.emulator.call("switch", faults=[], seed=0)
    return counts


async def _wait(stack: StormStack, is_over: Callable[[], bool]) -> None:
    """Until it is over, or nothing more can come."""
    started = time.monotonic()
    while not is_over():
        if time.monotonic() - max(started, stack.records.last_at) > SILENCE_SECONDS:
            return
        await asyncio.sleep(0.05)


@asynccontextmanager
async def _telling(stack: StormStack, plan: Plan, number: int, say: Say) -> AsyncIterator[None]:
    """Tells once a second how far it is, as the app records it."""

    async def tell() -> None:
        while True:
            await asyncio.sleep(1)
            records = stack.records
            say(
                f"storm, {plan.name}, round {number} of {plan.rounds}: of {plan.users:,} "
                f"{records.negotiated:,} have negotiated, {len(records.joins):,} joined, "
                f"{records.told():,} been told of, {len(records.left):,} left"
            )

    task = asyncio.create_task(tell())
    try:
        yield
    finally:
        task.cancel()


async def _end_and_list(stack: StormStack) -> list[str]:
    """Tells all members that this is the end; their connections, as the service lists them."""
    async with WebPubSubServiceClient.from_connection_string(
        stack.connection_string, stack.hub
    ) as service:
        await service.send_to_group(GROUP, THE_END, content_type="text/plain")
        return [member.connection_id async for member in service.list_connections(group=GROUP)]
