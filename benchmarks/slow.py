"""What one client that never reads does to the others, and what becomes of it."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.figures import Figure, Report, spread_of
from benchmarks.processes import Audience, Server, run_audience, run_emulator
from benchmarks.texts import text_of

ROUNDS = 3
CLIENTS = 100
TEXT_SIZE = 16_384
MOST = 3_000
"""How many messages are sent at most in a round; it ends when the slow client is gone."""
WARM_UP = 50
SUBPROTOCOL = "json.webpubsub.azure.v1"


@dataclass(frozen=True)
class Side:
    """An emulator, its clients that read, and a user who is watched."""

    server: Server
    audience: Audience
    watched: str

    async def send(self, clients: int) -> bool:
        """Send one message and wait until all have it. Whether the watched user was there before.

        Both sides watch somebody who is there: the answer 404 would take another time.
        """
        is_there = await self.server.has_user(self.watched)
        await self.server.send_to_group(text_of(TEXT_SIZE))
        await self.audience.receive(clients)
        return is_there


async def measure(
    rounds: int, say: Callable[[str], None], clients: int = CLIENTS, most: int = MOST
) -> Report:
    """The delays of clients that read, in one emulator with a client that does not, and without."""
    async with AsyncExitStack() as stack:
        alone = await _open_side(stack, clients, "client-0")
        beside = await _open_side(stack, clients, "slow")
        delays, lasted = [], []
        for number in range(rounds):
            say(f"slow: round {number + 1} of {rounds}")
            async with run_audience(beside.server) as slow:
                await slow.connect(1, SUBPROTOCOL, reads=False)
                lasted.append(await _send_until_gone(alone, beside, clients, most))
            delays.append((await alone.audience.delays(), await beside.audience.delays()))
    title = (
        f"delay of {clients} clients that read, beside one that does not; "
        "the floor is another emulator without that one"
    )
    figures = [
        Figure(name, "ms", [one[place] for one, _ in delays], [two[place] for _, two in delays])
        for place, name in enumerate(("p50 of the others", "p99 of the others"))
    ]
    return Report("slow", title, figures, [_fate(lasted, most)])


async def _open_side(stack: AsyncExitStack, clients: int, watched: str) -> Side:
    server = await stack.enter_async_context(run_emulator())
    side = Side(server, await stack.enter_async_context(run_audience(server)), watched)
    await side.audience.connect(clients, SUBPROTOCOL)
    for _ in range(WARM_UP):
        await side.send(clients)
    await side.audience.delays()  # forgets them
    return side


async def _send_until_gone(alone: Side, beside: Side, clients: int, most: int) -> int:
    """How many messages were sent while the slow client was there. The sides take turns."""
    for number in range(most):
        await alone.send(clients)
        if not await beside.send(clients):
            return number
    return most


def _fate(lasted: list[int], most: int) -> str:
    if min(lasted) == most:
        return f"The slow client was still connected after {most:,} messages."
    return (
        f"The slow client was gone after {spread_of(lasted)} messages of {TEXT_SIZE:,} bytes, "
        "those in the kernel's buffers included."
    )
