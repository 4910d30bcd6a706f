"""An event handler with aiohttp, in the event loop of the test."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from azure.messaging.webpubsubservice import WebPubSubServiceClient

from webpubsub_emulator import EmulatorFixture


class App:
    """Greets each user that connects."""

    def __init__(self) -> None:
        self.users: list[str] = []

    async def validate(self, _request: web.Request) -> web.Response:
        return web.Response(headers={"WebHook-Allowed-Origin": "*"})

    async def on_event(self, request: web.Request) -> web.Response:
        if request.headers["ce-type"] == "azure.webpubsub.sys.connected":
            self.users.append(request.headers["ce-userId"])
        return web.Response()


@pytest.fixture
async def app(webpubsub: EmulatorFixture) -> AsyncIterator[App]:
    subject, application = App(), web.Application()
    application.router.add_route("OPTIONS", "/events", subject.validate)
    application.router.add_post("/events", subject.on_event)
    async with TestServer(application) as server:
        webpubsub.add_event_handler("chat", str(server.make_url("/events")))
        yield subject


async def test_the_app_sees_the_user(webpubsub: EmulatorFixture, app: App) -> None:
    service = WebPubSubServiceClient.from_connection_string(webpubsub.connection_string, "chat")
    url = service.get_client_access_token(user_id="ann")["url"]
    async with ClientSession() as session, session.ws_connect(url):
        await webpubsub.wait_for_async(lambda: app.users == ["ann"])
        assert [each.user_id for each in webpubsub.connections("chat")] == ["ann"]
