"""The process of a storm's emulator. The parent (stack.py, run.py) sends the commands."""

import asyncio
import gc
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from localdev.child_commands import obey
from webpubsub_emulator import Emulator, Faults, parse_fault


@dataclass(frozen=True, slots=True)
class EmulatorCommands:
    """The public methods are the commands."""

    emulator: Emulator
    faults: Faults

    async def connection_string(self) -> str:
        return self.emulator.connection_string

    async def send_events(self, hub: str, url: str) -> None:
        """Send all events of the hub to this URL."""
        self.emulator.add_event_handler(hub, url)

    async def replace_faults(self, faults: Sequence[str], seed: int) -> list[int]:
        """Replace the injected faults; return how often each of the replaced ones happened."""
        happened = [count for _, count in self.faults.counts()]
        self.faults.replace(map(parse_fault, faults), seed)
        return happened

    async def collect_garbage(self) -> None:
        """Free unreachable objects, so that the memory in use is what the emulator keeps."""
        gc.collect()


async def serve() -> None:
    """Run the emulator until stdin ends."""
    faults = Faults()
    async with Emulator(faults=faults) as emulator:
        await obey(EmulatorCommands(emulator, faults))


if __name__ == "__main__":
    # Logging each event and each client would be a large part of the emulator's CPU time.
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(serve())
