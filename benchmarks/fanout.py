"""Server CPU for each message of a broadcast to a group."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.figures import Figure, Goal, Report
from benchmarks.processes import (
    Audience,
    Server,
    allow_connections,
    run_audience,
    run_emulator,
    run_floor,
)
from benchmarks.timed_texts import timed_text

ROUNDS = 3
CLIENTS = 1_000
BROADCASTS = 60  # a round; each is sent when the previous one has reached every client
TEXT_SIZE = 100
GOAL = Goal(1.8, of_ratio=True)

FLOOR = "floor"
RELIABLE = "reliable JSON clients"
KINDS = {
    "JSON clients": "json.webpubsub.azure.v1",
    RELIABLE: "json.reliable.webpubsub.azure.v1",
    "simple clients": "",
}


def _plain() -> str:
    return timed_text(TEXT_SIZE)


def _enveloped() -> str:
    """Return the frame that a JSON client gets, so that the floor writes as many bytes."""
    return (
        '{"type":"message","from":"group","fromUserId":null,"group":"everyone",'
        f'"dataType":"text","data":"{_plain()}"}}'
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A server, its clients, and the text that it broadcasts."""

    server: Server
    audience: Audience
    text: Callable[[], str]

    async def cpu_per_message(self, clients: int, broadcasts: int) -> float:
        """Return the server's CPU time in us for one message to one client.

        It includes the CPU time of the REST call.
        """
        before = self.server.child.cpu_seconds()
        for _ in range(broadcasts):
            await self.server.send_to_group(self.text())
            await self.audience.receive(clients)
        used = self.server.child.cpu_seconds() - before
        await self.audience.delays()  # discard the delays
        return used / (clients * broadcasts) * 1e6


async def measure(
    rounds: int, say: Callable[[str], None], clients: int = CLIENTS, broadcasts: int = BROADCASTS
) -> Report:
    """Measure the emulator with each kind of client, and the floor."""
    title = (
        f"server CPU per message, a {TEXT_SIZE}-byte text to {clients:,} clients; "
        "the floor writes a ready-made frame with transport.write"
    )
    allow_connections(clients)
    async with AsyncExitStack() as stack:
        cases = await _start(stack, clients)
        samples = await _sample(cases, rounds, say, (clients, broadcasts))
    figures = [
        Figure(kind, "us", samples[FLOOR], samples[kind], GOAL if kind == "JSON clients" else None)
        for kind in KINDS
    ]
    return Report("fanout", title, figures)


async def _start(stack: AsyncExitStack, clients: int) -> dict[str, Case]:
    """Start processes for every case."""
    floor = await stack.enter_async_context(run_floor())
    cases = {FLOOR: Case(floor, await _connect_clients(stack, floor, clients, ""), _enveloped)}
    for kind, subprotocol in KINDS.items():
        server = await stack.enter_async_context(run_emulator())
        cases[kind] = Case(
            server, await _connect_clients(stack, server, clients, subprotocol), _plain
        )
    return cases


async def _connect_clients(
    stack: AsyncExitStack, server: Server, count: int, subprotocol: str
) -> Audience:
    audience = await stack.enter_async_context(run_audience(server))
    await audience.connect(count, subprotocol)
    return audience


async def _sample(
    cases: dict[str, Case], rounds: int, say: Callable[[str], None], size: tuple[int, int]
) -> dict[str, list[float]]:
    """Return one figure for each case and round, after a warm-up round."""
    samples: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        say(f"fanout: round {number} of {rounds}" if number else "fanout: warm-up")
        for name, case in cases.items():
            used = await case.cpu_per_message(*size)
            if name == RELIABLE:
                await case.audience.acknowledge()  # not measured: real clients do so later
            if number:
                samples[name].append(used)
    return samples
