"""Streams of npm's client over connections that keep dropping."""

import json
from pathlib import Path

from npm.packages import program
from webpubsub_emulator.faults import Faults, parse_fault
from webpubsub_emulator.server import Emulator

COUNT = 10_000


async def test_no_fragment_is_lost_or_doubled(packages: Path) -> None:
    """Every connection drops again and again, of the sender and of the receiver."""
    faults = Faults([parse_fault("connection-dropped:ms=150")])
    async with Emulator(faults=faults) as emulator:
        string = emulator.connection_string
        async with program("stream.cjs", packages, string, "chat", str(COUNT)) as streaming:
            output = await streaming.finish()
    assert json.loads(output) == list(range(1, COUNT + 1))
    ((_, drops),) = faults.counts()
    assert drops > 10
