"""A protobuf journey of npm's client, over connections that keep dropping."""

import json
from pathlib import Path

from npm.packages import program
from webpubsub_emulator.faults import Faults, parse_fault
from webpubsub_emulator.server import Emulator

COUNT = 40
TYPE_URL = "type.googleapis.com/azure.webpubsub.TestMessage"
# The whole google.protobuf.Any, as in the documentation's example.
BASE64 = "Ci90eXBlLmdvb2dsZWFwaXMuY29tL2F6dXJlLndlYnB1YnN1Yi5UZXN0TWVzc2FnZRICCAE="


async def test_every_message_arrives_once_in_order_and_with_its_type(packages: Path) -> None:
    """The codec is protobufjs. A JSON client gets protobuf data as bytes."""
    faults = Faults([parse_fault("connection-dropped:ms=150")])
    async with Emulator(faults=faults) as emulator:
        string = emulator.connection_string
        async with program("protobuf.cjs", packages, string, "chat", str(COUNT)) as journey:
            output = json.loads(await journey.finish())
    assert output["received"] == [
        message
        for number in range(COUNT)
        for message in (
            ["text", f"text {number}"],
            ["json", {"number": number}],
            ["binary", [number]],
            ["protobuf", [TYPE_URL, [8, 1]]],
        )
    ]
    assert output["bytes"] == BASE64
    ((_, drops),) = faults.counts()
    assert drops > 2
