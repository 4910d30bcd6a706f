"""Tests of event handlers over sockets: the emulator, its clients, and a small app."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from unit.app import App
from unit.clients import Clients
from unit.samples import JSON
from webpubsub_emulator.server import Emulator
from webpubsub_emulator.upstream import ANSWER_LIMIT

Socket = aiohttp.ClientWebSocketResponse


@pytest.fixture
async def app() -> App:
    """Yield an app that is not an event handler yet."""
    return App()


@pytest.fixture
async def hooks(app: App) -> AsyncIterator[str]:
    """Return the app's URL, up to hub and event."""
    server = TestServer(app.application())
    await server.start_server()
    yield str(server.make_url("/hooks"))
    await server.close()


async def opened(emulator: Emulator, clients: Clients, *protocols: str, **options: Any) -> Socket:
    """Return a client of the hub "chat", with the user ann and in group g."""
    service = WebPubSubServiceClient.from_connection_string(emulator.connection_string, "chat")
    async with service:
        token = await service.get_client_access_token(user_id="ann", groups=["g"])
    return await clients.connect(str(token["url"]), protocols=protocols, **options)


async def json_client(emulator: Emulator, clients: Clients) -> Socket:
    """Return a JSON client that has read its first frame."""
    socket = await opened(emulator, clients, JSON)
    assert (await receive(socket))["event"] == "connected"
    return socket


async def receive(socket: Socket) -> Any:
    """Return the next frame of a JSON client."""
    return json.loads(await socket.receive_str(timeout=60))


async def test_a_validation_ends_with_the_emulator(clients: Clients) -> None:
    """An app that does not answer it keeps nothing running."""
    asked, release = asyncio.Event(), asyncio.Event()

    async def never(request: web.Request) -> web.Response:
        asked.set()
        await release.wait()
        return web.Response()

    application = web.Application()
    application.router.add_route("OPTIONS", "/", never)
    async with TestServer(application) as server:
        async with Emulator() as emulator:
            url = str(server.make_url("/"))
            emulator.add_event_handler("chat", url, system_events=["connected"])
            await opened(emulator, clients, JSON)
            await asyncio.wait_for(asked.wait(), 60)
        names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
        assert not [name for name in names if name.startswith("Validator.")]
        release.set()


async def test_answers_have_a_limit(
    emulator: Emulator, clients: Clients, app: App, hooks: str
) -> None:
    """A connect answer of 16 MiB is read; a longer one is a failure, also of user events."""
    emulator.add_event_handler("chat", f"{hooks}/chat/{{event}}")
    app.scripts["connect"] = [
        web.Response(body=b"{}".ljust(ANSWER_LIMIT)),
        web.Response(body=b"{}".ljust(ANSWER_LIMIT + 1)),
    ]
    app.scripts["e"] = [web.Response(body=bytes(ANSWER_LIMIT + 1))]
    socket = await json_client(emulator, clients)
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await opened(emulator, clients)
    assert caught.value.status == 500
    await socket.send_json({"type": "event", "event": "e", "data": 1, "ackId": 1})
    assert (await receive(socket))["error"]["name"] == "InternalServerError"
    assert app.events.count("e") == 1


async def test_the_number_of_connect_is_reserved(
    emulator: Emulator, clients: Clients, app: App, hooks: str
) -> None:
    """connected is event 1, even if there was no connect event."""
    emulator.add_event_handler("chat", f"{hooks}/chat/{{event}}", system_events=["connected"])
    await json_client(emulator, clients)
    await app.wait_for("connected")
    assert app.last("connected").headers["ce-id"] == "1"
