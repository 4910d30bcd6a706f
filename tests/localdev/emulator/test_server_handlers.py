"""Tests of event handlers over sockets: the whole emulator, clients, and an app of lists."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from localdev.emulator.server import Emulator
from localdev.emulator.upstream import ANSWER_LIMIT
from tests.localdev.emulator.app import App
from tests.localdev.emulator.clients import Clients
from tests.localdev.emulator.samples import JSON

Socket = aiohttp.ClientWebSocketResponse


@pytest.fixture
async def app() -> App:
    """An app that is no event handler yet."""
    return App()


@pytest.fixture
async def hooks(app: App) -> AsyncIterator[str]:
    """The app's URL, up to hub and event."""
    server = TestServer(app.application())
    await server.start_server()
    yield str(server.make_url("/hooks"))
    await server.close()


async def opened(emulator: Emulator, clients: Clients, *protocols: str, **options: Any) -> Socket:
    """A client of the hub "chat" that is ann and in group g."""
    service = WebPubSubServiceClient.from_connection_string(emulator.connection_string, "chat")
    async with service:
        token = await service.get_client_access_token(user_id="ann", groups=["g"])
    return await clients.connect(str(token["url"]), protocols=protocols, **options)


async def json_client(emulator: Emulator, clients: Clients) -> Socket:
    """A JSON client that has read its first frame."""
    socket = await opened(emulator, clients, JSON)
    assert (await receive(socket))["event"] == "connected"
    return socket


async def receive(socket: Socket) -> Any:
    """The next frame of a JSON client."""
    return json.loads(await socket.receive_str(timeout=5))


async def test_events_go_to_the_first_handler_that_takes_them(
    emulator: Emulator, clients: Clients, app: App, hooks: str
) -> None:
    """Two handlers of one hub share its events; each is validated before its first one."""
    emulator.add_event_handler(
        "Chat",
        f"{hooks}/one/{{event}}",
        system_events=["connect", "disconnected"],
        user_event_pattern="A, connected",
    )
    emulator.add_event_handler("chat", f"{hooks}/two/{{event}}")
    socket = await json_client(emulator, clients)
    await app.wait_for("connect", "connected")
    for ack_id, name in enumerate(("a", "b")):
        await socket.send_json({"type": "event", "event": name, "data": 1, "ackId": ack_id})
        assert (await receive(socket))["success"]
    await socket.close()
    await app.wait_for("connect", "connected", "a", "b", "disconnected")
    assert [(one.method, one.path) for one in app.received] == [
        ("OPTIONS", "/hooks/one/validate"),
        ("POST", "/hooks/one/connect"),
        ("OPTIONS", "/hooks/two/validate"),
        ("POST", "/hooks/two/connected"),
        ("POST", "/hooks/one/a"),
        ("POST", "/hooks/two/b"),
        ("POST", "/hooks/one/disconnected"),
    ]


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
            await asyncio.wait_for(asked.wait(), 5)
        names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
        assert not [name for name in names if name.startswith("Validator.")]
        release.set()


async def test_an_event_that_no_handler_takes(
    emulator: Emulator, clients: Clients, app: App, hooks: str
) -> None:
    """A JSON client is told and stays, a simple client is closed."""
    emulator.add_event_handler("chat", f"{hooks}/chat/{{event}}", user_event_pattern="other")
    socket = await json_client(emulator, clients)
    await socket.send_json({"type": "event", "event": "message", "data": 1, "ackId": 1})
    assert (await receive(socket))["error"]["name"] == "InternalServerError"
    await socket.send_json({"type": "ping"})
    assert await receive(socket) == {"type": "pong"}
    simple = await opened(emulator, clients)
    await simple.send_str("hi")
    assert (await simple.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
    assert "message" not in app.events


async def test_cookies_of_the_app(
    emulator: Emulator, clients: Clients, app: App, hooks: str
) -> None:
    """A cookie set in connect comes back with each later event of that client, no other's."""
    emulator.add_event_handler("chat", f"{hooks}/chat/{{event}}")
    app.scripts["connect"] = [web.Response(headers={"Set-Cookie": "session=1; HttpOnly"})]
    socket = await json_client(emulator, clients)
    await socket.send_json({"type": "event", "event": "e", "data": 1})
    await app.wait_for("connect", "connected", "e")
    await json_client(emulator, clients)
    await app.wait_for("connect", "connected", "e", "connect", "connected")
    posts = [one for one in app.received if one.method == "POST"]
    cookies = [one.headers.get("cookie") for one in posts]
    assert cookies == [None, "session=1", "session=1", None, None]


async def test_what_connect_says_of_the_client(
    emulator: Emulator, clients: Clients, app: App, hooks: str
) -> None:
    """Claims by the token's own names, as lists; no header of the service's own machines."""
    emulator.add_event_handler("chat", f"{hooks}/chat/{{event}}")
    await opened(emulator, clients, headers={"X-ASRS-Internal-A": "hidden", "Cookie": "mine=1"})
    received = app.last("connect")
    assert received.headers["content-type"] == "application/json; charset=utf-8"
    assert "cookie" not in received.headers
    body = json.loads(received.body)
    claims = body["claims"]
    assert (claims["sub"], claims["webpubsub.group"]) == (["ann"], ["g"])
    assert all(isinstance(value, str) for values in claims.values() for value in values)
    assert body["headers"]["Cookie"] == ["mine=1"]
    assert "X-ASRS-Internal-A" not in body["headers"]


async def test_the_state_of_a_connection(
    emulator: Emulator, clients: Clients, app: App, hooks: str
) -> None:
    """An answer without a state keeps it, as does a failure with one; an empty one is a state."""
    emulator.add_event_handler("chat", f"{hooks}/chat/{{event}}")
    answers = ((204, "one"), (204, None), (400, "failed"), (204, ""), (204, None))
    app.scripts["e"] = [
        web.Response(status=status, headers={} if state is None else {"ce-connectionState": state})
        for status, state in answers
    ]
    socket = await json_client(emulator, clients)
    for ack_id in range(len(answers)):
        await socket.send_json({"type": "event", "event": "e", "data": 1, "ackId": ack_id})
        await receive(socket)
    events = [one.headers for one in app.received if one.headers.get("ce-eventname") == "e"]
    states = [headers.get("ce-connectionstate") for headers in events]
    assert states == [None, "one", "one", "one", ""]


async def test_metadata_without_a_message(
    emulator: Emulator, clients: Clients, app: App, hooks: str
) -> None:
    """An answer with metadata but no body is an empty text; one with neither is nothing."""
    emulator.add_event_handler("chat", f"{hooks}/chat/{{event}}")
    app.scripts["message"] = [
        web.Response(status=204),
        web.Response(status=204, headers={"X-WebPubSub-Metadata-k": "v"}),
        web.Response(text="bye"),
    ]
    socket = await opened(emulator, clients)
    for text in ("1", "2", "3"):
        await socket.send_str(text)
    assert [await socket.receive_str(timeout=5) for _ in range(2)] == ["", "bye"]


async def test_answers_have_a_limit(
    emulator: Emulator, clients: Clients, app: App, hooks: str
) -> None:
    """A connect answer of 16 MiB is read; a longer one is a failure, of user events, too."""
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
