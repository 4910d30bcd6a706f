"""A journey on the official packages: invocations, a stream, and events of groups."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from azure.messaging.webpubsubclient.aio import WebPubSubClient
from azure.messaging.webpubsubclient.models import CallbackType, OnGroupDataMessageArgs
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from npm.packages import MOST_SECONDS, program
from webpubsub_emulator import Emulator


@asynccontextmanager
async def member_of_room(connection_string: str) -> AsyncIterator[asyncio.Queue[Any]]:
    """Provide the messages that a member receives on the SDKs for Python."""
    received: asyncio.Queue[Any] = asyncio.Queue()

    async def keep(message: OnGroupDataMessageArgs) -> None:
        received.put_nowait(message.data)

    async with WebPubSubServiceClient.from_connection_string(connection_string, "chat") as service:
        token = await service.get_client_access_token(groups=["room"])
        client = WebPubSubClient(token["url"])
        await client.subscribe(CallbackType.GROUP_MESSAGE, keep)
        async with client:
            await service.send_to_group("room", "welcome", content_type="text/plain")
            yield received


async def test_a_journey(packages: Path) -> None:
    """The app is web-pubsub-express, the clients are web-pubsub and web-pubsub-client.

    A member on the SDKs for Python, which know no streams, receives the fragments as messages.
    """
    async with (
        Emulator() as emulator,
        member_of_room(emulator.connection_string) as received,
        program("journey.cjs", packages, emulator.connection_string, "chat") as journey,
    ):
        app = json.loads(await journey.read_line())
        url = f"http://127.0.0.1:{app['port']}{app['path']}"
        emulator.add_event_handler("chat", url, group_events=["joined", "left"])
        output = json.loads(await journey.finish("go\n"))
        emulator.clear_event_handlers("chat")
        async with asyncio.timeout(MOST_SECONDS):
            messages = [await received.get() for _ in range(3)]
    assert messages == ["welcome", "one", {"two": 2}]
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
