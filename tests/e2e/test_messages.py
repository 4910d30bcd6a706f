"""Frames and events of a running stack are as api/asyncapi.yaml describes them.

All messages that Usher sends are checked in every test (`tests/messages/plugin.py`).
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from localdev.stack import run_host, sample_settings
from tests.e2e.clients import SECONDS, negotiate, new_room
from tests.e2e.processes import EVERYTHING
from tests.e2e.room import wait_until
from tests.messages.description import messages_of, why_not
from tests.messages.sent import SentMessages
from webpubsub_emulator import Emulator

JSON = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"
FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request of the service to the app, and the answer."""

    headers: dict[str, str]
    body: Any
    status: int
    answer_headers: dict[str, str]
    answer: Any


@dataclass(slots=True)
class Stack:
    """An emulator whose events pass through the test to the app."""

    host: str = ""
    connection_string: str = ""
    events: defaultdict[str, list[Exchange]] = field(default_factory=lambda: defaultdict(list))

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._forward)
        return application

    async def _forward(self, request: web.Request) -> web.Response:
        body = await request.read()
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, self.host + request.path_qs, data=body, headers=request.headers
            ) as response,
        ):
            answer, headers = await response.read(), plain(response.headers)
        if request.method == "POST":
            is_json = headers.get("Content-Type", "").startswith("application/json")
            self.events[request.headers["ce-eventName"]].append(
                Exchange(
                    plain(request.headers),
                    await request.json(),
                    response.status,
                    headers,
                    await response.json() if is_json else answer.decode(),
                )
            )
        headers.pop("Content-Length", None)
        return web.Response(status=response.status, body=answer, headers=headers)


def plain(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with names of the type that the validator takes."""
    return {str(name): value for name, value in headers.items()}


@pytest.fixture(params=FORMATS)
async def stack(request: pytest.FixtureRequest) -> AsyncIterator[Stack]:
    """Run a stack with one format of announcements."""
    subject = Stack()
    async with AsyncExitStack() as running:
        emulator = await running.enter_async_context(Emulator())
        server = await running.enter_async_context(TestServer(subject.application()))
        settings = {
            **sample_settings(),
            **EVERYTHING,
            "WebPubSubConnectionString": emulator.connection_string,
            "USHER_ANNOUNCEMENT_FORMAT": request.param,
        }
        host = await running.enter_async_context(run_host(settings))
        subject.host, subject.connection_string = host.address, emulator.connection_string
        emulator.add_event_handler("chat", str(server.make_url("/runtime/webhooks/webpubsub")))
        yield subject


class Client:
    """A client without an SDK that checks every frame, in both directions."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.seen: list[str] = []

    async def send(self, kind: str, **fields: Any) -> None:
        assert why_not(kind, {"type": kind, **fields}) is None
        await self.socket.send_json({"type": kind, **fields})

    async def receive(self, kind: str) -> dict[str, Any]:
        """Return the next frame, which must be of this kind and of no other."""
        received, frame = await self.receive_any()
        assert received == kind, frame
        return frame

    async def receive_any(self) -> tuple[str, dict[str, Any]]:
        """Return the next frame and its kind, of which the description has exactly one."""
        frame: dict[str, Any] = await self.socket.receive_json(timeout=SECONDS)
        reasons = {one: why_not(one, frame) for one in messages_of("client")}
        (kind,) = [one for one, why in reasons.items() if why is None] or [str(reasons)]
        return kind, frame


@pytest.mark.parametrize("subprotocol", [JSON, RELIABLE])
async def test_every_frame_of_a_visit_is_described(
    stack: Stack, subprotocol: str, sent_messages: SentMessages
) -> None:
    """So are the events, the app's answers, and what the app sends."""
    room = new_room()
    async with aiohttp.ClientSession() as session, AsyncExitStack() as clients:

        async def enter(user: str) -> Client:
            url = (await negotiate(stack.host, userId=user, group=room))["url"]
            opening = session.ws_connect(url, protocols=[subprotocol])
            return Client(await clients.enter_async_context(opening))

        ana = await enter("ana")
        first = await ana.receive("connected")
        assert ("reconnectionToken" in first) is (subprotocol == RELIABLE)
        joined = await ana.receive("announcement")
        await ana.send("ping")
        await ana.receive("pong")
        if subprotocol == RELIABLE:
            await ana.send("sequenceAck", sequenceId=joined["sequenceId"])
        bo = await enter("bo")
        await bo.receive("connected")
        for client in (ana, bo):
            await client.receive("announcement")
        data = {"dataType": "text", "data": "hello"}
        await bo.send("sendToGroup", group=room, ackId=1, noEcho=True, **data)
        assert (await bo.receive("ack"))["success"] is True
        assert (await ana.receive("memberMessage"))["fromUserId"] == "bo"
        await bo.send("sendToGroup", group="elsewhere", ackId=2, **data)
        assert (await bo.receive("ack"))["error"]["name"] == "Forbidden"
        await bo.socket.close()
        await ana.receive("announcement")
    await wait_until(lambda: has_events(stack, disconnected=2))
    check_events(stack)
    sent = [one for one in sent_messages.check() if f"/groups/{room}/:send" in one["path"]]
    assert len(sent) == 4  # two joins and two leaves


@pytest.mark.parametrize("stack", ["presence"], indirect=True)
async def test_every_frame_of_presence_is_described(
    stack: Stack, sent_messages: SentMessages
) -> None:
    """A snapshot for the newcomer, and a message for the group, in any order."""
    room = new_room()
    async with aiohttp.ClientSession() as session:
        url = (await negotiate(stack.host, userId="ana", group=room))["url"]
        async with session.ws_connect(url, protocols=[RELIABLE]) as socket:
            ana = Client(socket)
            await ana.receive("connected")
            frames = [await ana.receive_any() for _ in range(2)]
            assert sorted(kind for kind, _ in frames) == ["announcement", "serverMessage"]
            assert {frame["data"]["snapshot"] for _, frame in frames} == {True, False}
            assert [frame["data"]["users"] for _, frame in frames] == [{"ana": 1}] * 2
    await wait_until(lambda: has_events(stack, disconnected=1))
    check_events(stack)
    sent = [one for one in sent_messages.check() if f"/groups/{room}/:send" in one["path"]]
    assert len(sent) == 2  # a join, and a leave after the grace


async def has_events(stack: Stack, **counts: int) -> bool:
    return all(len(stack.events[name]) >= count for name, count in counts.items())


def check_events(stack: Stack) -> None:
    """Compare each event and its answer with the description."""
    for exchange in stack.events["connect"]:
        assert why_not("connectEvent", exchange.headers, "headers") is None
        assert why_not("connectEvent", exchange.body) is None
        is_accepted = exchange.status == 200
        answer = "connectAccepted" if is_accepted else "connectRefused"
        assert why_not(answer, exchange.answer) is None
        if is_accepted:
            assert why_not(answer, exchange.answer_headers, "headers") is None
    for name in ("connected", "disconnected"):
        for exchange in stack.events[name]:
            assert why_not(f"{name}Event", exchange.headers, "headers") is None
            assert why_not(f"{name}Event", exchange.body) is None
            assert (exchange.status, why_not("eventHandled", exchange.answer)) == (200, None)


async def test_a_refused_client_is_described(stack: Stack) -> None:
    """The token has no group. Only the service receives the reason."""
    service = WebPubSubServiceClient.from_connection_string(stack.connection_string, "chat")
    async with service, aiohttp.ClientSession() as session:
        url = (await service.get_client_access_token(user_id="ana"))["url"]
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url, protocols=[JSON])
    assert [exchange.status for exchange in stack.events["connect"]] == [401]
    check_events(stack)
