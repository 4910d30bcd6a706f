"""A running emulator and a small app for its events, both on ports of their own."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from unit.app import App
from unit.clients import Clients
from webpubsub_emulator.server import Emulator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator that does not make tests wait between attempts."""
    async with Emulator(retry_delays=(0.01, 0.01, 0.01)) as running:
        yield running


@pytest.fixture
async def app(emulator: Emulator) -> AsyncIterator[App]:
    """The event handler of the hub "chat"."""
    subject = App()
    server = TestServer(subject.application())
    await server.start_server()
    emulator.add_event_handler("chat", str(server.make_url("/")) + "hooks/{hub}/{event}?code=c0de")
    yield subject
    await server.close()


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    """WebSockets of a test, closed at its end, and a session for REST calls."""
    async with aiohttp.ClientSession() as session:
        opened = Clients(session)
        yield opened
        await opened.close()
