"""Fixtures: a running emulator, and a small app for its events, both on free ports."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from unit.app import App
from unit.clients import Clients
from webpubsub_emulator.server import Emulator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """Yield an emulator with very short waits between attempts."""
    async with Emulator(retry_delays=(0.01, 0.01, 0.01)) as running:
        yield running


@pytest.fixture
async def app(emulator: Emulator) -> AsyncIterator[App]:
    """Yield the event handler of the hub "chat"."""
    subject = App()
    server = TestServer(subject.application())
    await server.start_server()
    emulator.add_event_handler("chat", str(server.make_url("/")) + "hooks/{hub}/{event}?code=c0de")
    yield subject
    await server.close()


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    """Yield a session for REST calls, and WebSockets that are closed at the end."""
    async with aiohttp.ClientSession() as session:
        opened = Clients(session)
        yield opened
        await opened.close()
