"""The demo page with presence messages, in a real browser, on two instances of the app."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from localdev.stack import run_host, sample_settings
from localdev.storm.stack import Balancer
from tests.e2e.clients import new_room
from tests.e2e.processes import EVERYTHING
from tests.e2e.room import wait_until
from tests.e2e.visitors import Visitor, open_browser
from webpubsub_emulator import Emulator

# One browser serves all tests of this file, so they share its event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")

type Enter = Callable[[str], Awaitable[Visitor]]

INSTANCES = 2
GRACE_SECONDS = 2
SETTINGS = {
    "USHER_ANNOUNCEMENT_FORMAT": "presence",
    "USHER_LEAVE_GRACE_SECONDS": str(GRACE_SECONDS),
    "USHER_CALLER_LIMIT": "0",
}


@dataclass(frozen=True, slots=True)
class Stack:
    """Two instances behind a load balancer, and the emulator."""

    address: str
    emulator: Emulator
    session: aiohttp.ClientSession

    async def control(self, method: str, path: str) -> Any:
        """Call the control endpoint of the emulator."""
        url = f"{self.emulator.control_url}{path}"
        async with self.session.request(method, url) as response:
            return await response.json() if response.status == 200 else None

    async def connections(self, user: str) -> list[str]:
        """Return the ids of the user's connections."""
        connections = (await self.control("GET", "/state"))["hubs"]["chat"]["connections"]
        return [one["id"] for one in connections if one["userId"] == user]

    async def wait_for_leave(self, connection: str) -> None:
        """Wait until the app has handled the end of a connection: after the grace."""

        async def look() -> bool:
            events = (await self.control("GET", "/state"))["events"]
            wanted = {"connection": connection, "name": "disconnected"}
            return any(event.items() >= wanted.items() for event in events)

        await wait_until(look)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    """Run the stack. A connection that is lost can be recovered for 3 s, in Azure for 30 s."""
    async with AsyncExitStack() as resources:
        enter = resources.enter_async_context
        emulator = await enter(Emulator(control=True, retention_seconds=3))
        connection = {"WebPubSubConnectionString": emulator.connection_string}
        settings = {**sample_settings(), **EVERYTHING, **SETTINGS, **connection}
        hosts = [await enter(run_host(settings)) for _ in range(INSTANCES)]
        balancer = await enter(Balancer([host.address for host in hosts]))
        emulator.add_event_handler("chat", f"{balancer.address}/runtime/webhooks/webpubsub")
        yield Stack(balancer.address, emulator, await enter(aiohttp.ClientSession()))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def enter(browser: Browser, stack: Stack) -> AsyncIterator[Enter]:
    """Return a function that opens the page in a new browser context and enters the room."""
    room = new_room()

    async def enter(name: str) -> Visitor:
        visitor = await Visitor.open(browser, stack.address)
        await enter_again(visitor, name, room)
        return visitor

    yield enter
    for context in browser.contexts:
        await context.close()


async def enter_again(visitor: Visitor, name: str, room: str) -> None:
    await visitor.enter(name, room)
    await visitor.expect_steps("200", "200", "202")


async def expect_users(visitor: Visitor, *items: str) -> None:
    """Expect these lines in the roster: the name, then what is said about it."""
    lines = visitor.page.locator("#roster li")
    await expect(lines).to_have_count(len(items))
    for line, item in zip(await lines.all(), items, strict=True):
        await expect(line).to_have_text(re.compile(f"^.{re.escape(item)}$"))  # after the avatar


async def expect_notices(visitor: Visitor, *notices: str) -> None:
    """Expect exactly these joins and leaves, without the room's name."""
    texts = [re.compile(f"^{notice} room-") for notice in notices]
    await expect(visitor.page.locator(".notice bdi")).to_have_text(texts)


async def test_two_tabs_of_a_user_are_one_line(enter: Enter, stack: Stack) -> None:
    """The second tab is no join, and closing it is no leave. The last one is."""
    bo, ana = await enter("bo"), await enter("ana")
    await expect_notices(bo, "ana joined")
    second = await enter("ana")
    await expect_users(bo, "ana2 tabs", "boyou")
    await expect_users(ana, "anayou, 2 tabs", "bo")
    await bo.take_screenshot("tabs")
    await second.page.close(run_before_unload=False)
    await expect_users(bo, "ana", "boyou")
    await expect_users(ana, "anayou", "bo")
    await expect_notices(bo, "ana joined")
    await ana.page.close()
    await expect_users(bo, "boyou")
    await expect_notices(bo, "ana joined", "ana left")
    assert bo.errors == ana.errors == second.errors == []
    assert not [request for request in bo.requests if "members" in request]


async def test_a_reload_shows_nothing_to_others(enter: Enter, stack: Stack) -> None:
    bo, ana = await enter("bo"), await enter("ana")
    await expect_notices(bo, "ana joined")
    (before,) = await stack.connections("ana")
    room = await ana.page.get_by_label("Room", exact=True).input_value()
    await ana.page.reload()
    await enter_again(ana, "ana", room)
    (after,) = await stack.connections("ana")
    assert after != before
    await stack.wait_for_leave(before)
    await enter("cy")
    await expect_notices(bo, "ana joined", "cy joined")
    await expect_users(bo, "ana", "boyou", "cy")


async def test_a_tab_whose_process_dies_disappears(enter: Enter, stack: Stack) -> None:
    """After the time in which it could recover, and the grace. Until then it is listed."""
    bo, ana = await enter("bo"), await enter("ana")
    await expect_users(bo, "ana", "boyou")
    debugger = await ana.page.context.new_cdp_session(ana.page)
    async with ana.page.expect_event("crash"):
        crash = asyncio.create_task(debugger.send("Page.crash"))  # it never gets an answer
    crash.cancel()
    await expect_users(bo, "ana", "boyou")
    await expect_users(bo, "boyou")
    await expect_notices(bo, "ana joined", "ana left")


async def test_offline_and_back(enter: Enter, stack: Stack) -> None:
    """Within the time to recover, nobody sees it. Messages sent in the meantime arrive."""
    bo, ana = await enter("bo"), await enter("ana")
    await expect_notices(bo, "ana joined")
    (connection,) = await stack.connections("ana")
    await ana.page.context.set_offline(True)
    await stack.control("POST", f"/connections/{connection}/drop")
    await ana.expect_status("The connection was lost. Retrying")
    await bo.send("Where are you?")
    await ana.page.context.set_offline(False)
    await ana.expect_message("Where are you?")
    await ana.expect_status("All three steps succeeded")
    await expect_notices(bo, "ana joined")


async def test_offline_for_too_long_and_back(enter: Enter, stack: Stack) -> None:
    """The others see a leave and a join, and the room is right afterwards."""
    bo, ana = await enter("bo"), await enter("ana")
    await expect_notices(bo, "ana joined")
    (connection,) = await stack.connections("ana")
    await ana.page.context.set_offline(True)
    await stack.control("POST", f"/connections/{connection}/drop")
    await expect_notices(bo, "ana joined", "ana left")
    await enter("cy")
    await ana.page.context.set_offline(False)
    await ana.expect_message("Reconnected. Messages sent in the meantime may be missing.")
    await expect_users(ana, "anayou", "bo", "cy")
    await expect_users(bo, "ana", "boyou", "cy")
    await expect_notices(bo, "ana joined", "ana left", "cy joined", "ana joined")
