"""Tests of localdev/doctor/client.py, against the emulator and against other programs."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from localdev.doctor import client
from localdev.doctor.calls import UnreachableError, open_session
from localdev.doctor.client import open_client
from webpubsub_emulator import EmulatorFixture

SECONDS = 60  # the longest wait for a message; a busy machine is no failure


async def test_the_client_waits_for_messages_of_the_app(webpubsub: EmulatorFixture) -> None:
    """Messages of other clients do not count; those about other users are counted."""
    async with (
        WebPubSubServiceClient.from_connection_string(
            webpubsub.connection_string, "chat"
        ) as service,
        open_session() as session,
    ):
        roles = ["webpubsub.sendToGroup.g"]
        token = await service.get_client_access_token(user_id="ana", groups=["g"], roles=roles)
        protocols = ["json.webpubsub.azure.v1"]
        async with (
            open_client(session, token["url"]) as subject,
            session.ws_connect(token["url"], protocols=protocols) as other,
        ):
            frame = {"type": "sendToGroup", "group": "g", "dataType": "text", "data": "ana?"}
            await other.send_str(json.dumps(frame))
            await other.receive()
            await other.receive()
            assert await subject.wait_for("ana", 0.1) is None
            await service.send_to_group("g", "bo joined", content_type="text/plain")
            await service.send_to_group("g", {"userId": 'ana "ñ"'})
            assert await subject.wait_for('ana "ñ"', SECONDS) is not None
            assert subject.others == 1
            assert await subject.wait_for("ana", 0) is None


async def test_a_leave_in_the_presence_format_names_the_user_as_gone(
    webpubsub: EmulatorFixture,
) -> None:
    """A message about a user who was waited for before is not about others."""
    async with (
        WebPubSubServiceClient.from_connection_string(
            webpubsub.connection_string, "chat"
        ) as service,
        open_session() as session,
    ):
        token = await service.get_client_access_token(user_id="ana", groups=["g"])
        async with open_client(session, token["url"]) as subject:
            for users, gone in (({"bo": 1}, []), ({"bo": 1}, []), ({}, ["bo"])):
                message = {"type": "presence", "group": "g", "users": users, "gone": gone}
                await service.send_to_group("g", message)
            assert await subject.wait_for("bo", SECONDS) is not None
            assert await subject.wait_for_leave("bo", SECONDS) is not None
            assert (subject.others, subject.sees_presence) == (0, True)
            await service.send_to_group("g", {"type": "presence", "users": {"cy": 1}, "gone": []})
            assert await subject.wait_for_leave("bo", 0.1) is None
            assert subject.others == 1


async def test_the_client_sends_no_token_unencrypted() -> None:
    async with open_session() as session:
        with pytest.raises(UnreachableError, match="unencrypted"):
            async with open_client(session, "ws://usher.example/client?access_token=secret"):
                pass


async def test_the_client_does_not_follow_a_redirect() -> None:
    """It would connect to a host that the app did not name."""
    paths: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere?access_token=secret"})

    application = web.Application()
    application.router.add_get("/{path:.*}", redirect)
    async with TestServer(application) as server, open_session() as session:
        url = str(server.make_url("/client")).replace("http", "ws", 1)
        with pytest.raises(UnreachableError, match=r"^the answer is a redirect$"):
            async with open_client(session, url):
                pass
    assert paths == ["/client"]


async def greet_in_bytes(socket: web.WebSocketResponse) -> None:
    await socket.send_bytes(b"{}")


async def greet_with_a_list(socket: web.WebSocketResponse) -> None:
    await socket.send_str("[]")


async def close(socket: web.WebSocketResponse) -> None:
    await socket.close()


async def send_nothing(_socket: web.WebSocketResponse) -> None:
    await asyncio.sleep(0.3)


@pytest.mark.parametrize(
    ("greet", "reason"),
    [
        (greet_in_bytes, "ended as soon"),
        (greet_with_a_list, "ended as soon"),
        (close, "ended as soon"),
        (send_nothing, "no answer within 0.1 s"),
    ],
)
async def test_a_websocket_server_that_is_not_web_pubsub(
    greet: Callable[[web.WebSocketResponse], Awaitable[None]],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not send `connected` first."""
    if greet is send_nothing:
        monkeypatch.setattr(client, "OPEN_SECONDS", 0.1)

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await greet(socket)
        return socket

    application = web.Application()
    application.router.add_get("/", answer)
    async with TestServer(application) as server, open_session() as session:
        with pytest.raises(UnreachableError, match=reason):
            async with open_client(session, f"{server.make_url('/')}?access_token=secret"):
                pass
