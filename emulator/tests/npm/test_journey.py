"""A journey on the official packages of npm: invocations, a stream, and events of groups."""

import json
from collections import Counter
from pathlib import Path

from npm.packages import program
from webpubsub_emulator.server import Emulator


async def test_a_journey(packages: Path) -> None:
    """The app is web-pubsub-express, the clients are web-pubsub and web-pubsub-client."""
    async with (
        Emulator() as emulator,
        program("journey.cjs", packages, emulator.connection_string, "chat") as journey,
    ):
        app = json.loads(await journey.read_line())
        url = f"http://127.0.0.1:{app['port']}{app['path']}"
        emulator.add_event_handler("chat", url, group_events=["joined", "left"])
        output = json.loads(await journey.finish("go\n"))
    assert output["invocations"] == {
        "result": {"data": {"echo": {"order": 1}}, "dataType": "json"},
        "refusal": [
            "InvocationError",
            {"name": "InternalServerError", "message": "Internal server error"},
        ],
        "cancelled": ["InvocationError", "Invocation cancelled by abortSignal."],
    }
    assert output["stream"] == [["one", "ann"], [{"two": 2}, "ann"]]
    assert Counter(map(tuple, output["seen"])) == Counter(
        [
            *(("connected", "ann"), ("connected", "bob")),
            *(("joined", "lobby", "ann"), ("joined", "lobby", "bob"), ("joined", "room", "bob")),
            *(("pending", "slow"), ("aborted",)),
            *(("left", "room", "bob"), ("left", "lobby", "ann"), ("left", "lobby", "bob")),
            *(("disconnected", "ann"), ("disconnected", "bob")),
        ]
    )
