"""The emulator of a storm, in a process of its own. storm.py and stack.py give the commands."""

import asyncio
import gc
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from localdev.commands import obey
from webpubsub_emulator.faults import Faults, parse_fault
from webpubsub_emulator.server import Emulator


@dataclass(frozen=True)
class Commands:
    """The public methods are the commands."""

    emulator: Emulator
    faults: Faults

    async def find(self) -> str:
        """The connection string."""
        return self.emulator.connection_string

    async def send_events(self, hub: str, url: str) -> None:
        """Send all events of the hub to this URL."""
        self.emulator.add_event_handler(hub, url)

    async def switch(self, faults: Sequence[str], seed: int) -> list[int]:
        """These faults and no others from now on; how often those before them happened."""
        happened = [count for _, count in self.faults.counts()]
        self.faults.replace(map(parse_fault, faults), seed)
        return happened

    async def collect(self) -> None:
        """Free what only waits for the garbage collector, so that what is left is kept."""
        gc.collect()


async def serve() -> None:
    """Obeys until stdin ends."""
    faults = Faults()
    async with Emulator(faults=faults) as emulator:
        await obey(Commands(emulator, faults))


if __name__ == "__main__":
    # What it logs of each event and each client would be a good part of its work.
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(serve())
