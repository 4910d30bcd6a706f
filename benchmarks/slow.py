"""How one client that never reads affects the others, and when the emulator closes it."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.figures import Figure, Report, spread_of
from benchmarks.processes import Audience, Server, run_audience, run_emulator
from benchmarks.timed_texts import timed_text

ROUNDS = 3
CLIENTS = 100
TEXT_SIZE = 16_384
MOST = 3_000  # messages a round, which ends earlier if the slow client is gone
WARM_UP = 50
SUBPROTOCOL = "json.webpubsub.azure.v1"


@dataclass(frozen=True, slots=True)
class Side:
    """An emulator, its reading clients, and a user whose connection is checked."""

    server: Server
    audience: Audience
    watched: str

    async def send(self, clients: int) -> bool:
        """Send one message and wait until all have it. Return whether `watched` was connected.

        Both sides check a user who is connected, because a 404 takes another time.
        """
        is_connected = await self.server.has_user(self.watched)
        await self.server.send_to_group(timed_text(TEXT_SIZE))
        await self.audience.receive(clients)
        return is_connected


async def measure(
    rounds: int, say: Callable[[str], None], clients: int = CLIENTS, most: int = MOST
) -> Report:
    """Compare the delays of reading clients in an emulator with a slow client and one without."""
    async with AsyncExitStack() as stack:
        without_slow = await _open_side(stack, clients, "client-0")
        with_slow = await _open_side(stack, clients, "slow")
        delays, lasted = [], []
        for number in range(rounds):
            say(f"slow: round {number + 1} of {rounds}")
            async with run_audience(with_slow.server) as slow:
                await slow.connect(1, SUBPROTOCOL, reads=False)
                lasted.append(await _send_until_gone(without_slow, with_slow, clients, most))
            delays.append((await without_slow.audience.delays(), await with_slow.audience.delays()))
    title = (
        f"delay of {clients} clients that read, while one does not; "
        "the floor is another emulator without that client"
    )
    figures = [
        Figure(name, "ms", [one[place] for one, _ in delays], [two[place] for _, two in delays])
        for place, name in enumerate(("p50 of the others", "p99 of the others"))
    ]
    return Report("slow", title, figures, [_outcome_note(lasted, most)])


async def _open_side(stack: AsyncExitStack, clients: int, watched: str) -> Side:
    server = await stack.enter_async_context(run_emulator())
    side = Side(server, await stack.enter_async_context(run_audience(server)), watched)
    await side.audience.connect(clients, SUBPROTOCOL)
    for _ in range(WARM_UP):
        await side.send(clients)
    await side.audience.delays()  # discard the delays of the warm-up
    return side


async def _send_until_gone(without_slow: Side, with_slow: Side, clients: int, most: int) -> int:
    """Send to both in turn; return how many messages the slow client stayed for."""
    for number in range(most):
        await without_slow.send(clients)
        if not await with_slow.send(clients):
            return number
    return most


def _outcome_note(lasted: list[int], most: int) -> str:
    if min(lasted) == most:
        return f"The slow client was still connected after {most:,} messages."
    return (
        f"The slow client was gone after {spread_of(lasted)} messages of {TEXT_SIZE:,} bytes, "
        "including those in the kernel's buffers."
    )
