"""The examples of docs/presence.md, taken from the page and run on the local stack."""

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, expect

from localdev.stack import ROOT
from tests.e2e.clients import new_room
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.visitors import open_browser
from tests.npm import npm_packages
from tests.presence.node import SCRIPTS, copy_module, find_node, member

pytestmark = pytest.mark.asyncio

GUIDE = (ROOT / "docs" / "presence.md").read_text("utf-8")
HOST = "http://127.0.0.1:7071"  # in the examples
MOST_LINES = 30
SECONDS = 60  # the longest wait for a line


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the stack as the guide says."""
    log = tmp_path_factory.mktemp("guide-stack") / "log"
    settings = {"USHER_ANNOUNCEMENT_FORMAT": "presence", "USHER_LEAVE_GRACE_SECONDS": "1"}
    with run(UP, log, settings) as running:
        yield running


@pytest.fixture
def room() -> str:
    return new_room()


def example(stack: Running, room: str, language: str, part: str) -> str:
    """Return the only example with this text, for the running stack and the room."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    (found,) = (block for block in blocks if part in block)
    assert HOST in found
    assert "lobby" in found
    return str(found).replace(HOST, stack.facts["host"]).replace("lobby", room)


@asynccontextmanager
async def serve(html: str) -> AsyncIterator[str]:
    """Serve a page on a port of its own, as another web server does."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=html, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


async def enter(page: Page, name: str) -> None:
    await page.get_by_placeholder("Your name").fill(name)
    await page.get_by_role("button", name="Enter").click()
    await expect(page.locator("#status")).to_have_text("open")


async def open_tab(browser: Browser, address: str, name: str) -> Page:
    page = await (await browser.new_context()).new_page()
    await page.goto(address)
    await enter(page, name)
    return page


async def expect_users(page: Page, *lines: str) -> None:
    await expect(page.locator("#users li")).to_have_text(lines)


async def test_the_page_of_the_guide_shows_presence_in_three_tabs(
    stack: Running, room: str
) -> None:
    """It has at most 30 lines. Two tabs of a user are one line, and a reload is not seen."""
    html = example(stack, room, "html", "enterRoom")
    assert len(html.splitlines()) <= MOST_LINES
    async with serve(html) as address, open_browser() as browser:
        ana = await open_tab(browser, address, "ana")
        bo = await open_tab(browser, address, "bo")
        second = await open_tab(browser, address, "ana")
        for page in (ana, bo, second):
            await expect_users(page, "ana (2 tabs)", "bo")
        await second.close()
        for page in (ana, bo):
            await expect_users(page, "ana", "bo")
        await bo.reload()
        await enter(bo, "bo")
        await expect_users(bo, "ana", "bo")
        await bo.close()
        await expect_users(ana, "ana")


class Lines:
    """The lines that a program prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def expect(self, wanted: str) -> None:
        """Read on to a line that contains this text."""
        seen = []
        assert self._process.stdout
        async with asyncio.timeout(SECONDS):
            while line := (await self._process.stdout.readline()).decode():
                seen.append(line)
                if wanted in line:
                    return
        raise AssertionError(f"the program ended after {seen}")


@asynccontextmanager
async def start(folder: Path, *command: str) -> AsyncIterator[Lines]:
    """Run a program until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Lines(process)
    finally:
        process.kill()
        await process.wait()


def write_node_program(folder: Path, code: str) -> str:
    """Write a program next to the module, with the packages of the tests, and return its name."""
    copy_module(folder)
    (folder / "node_modules").symlink_to(npm_packages(SCRIPTS, "the browser module"))
    (folder / "program.js").write_text(code, "utf-8")
    return "program.js"


async def test_the_official_clients_show_presence(
    stack: Running, room: str, tmp_path: Path
) -> None:
    """The JavaScript and the Python example see each other, and the joins and leaves of others."""
    folders = [tmp_path / name for name in ("js", "py", "ana")]
    for folder in folders:
        folder.mkdir()
    program = write_node_program(folders[0], example(stack, room, "js", "web-pubsub-client"))
    shutil.copyfile(ROOT / "localdev" / "presence.py", folders[1] / "presence.py")
    (folders[1] / "program.py").write_text(example(stack, room, "python", "from presence"), "utf-8")
    async with AsyncExitStack() as resources:
        bo = await resources.enter_async_context(start(folders[0], find_node(), program))
        await bo.expect("{ bo: 1 }")
        cy = await resources.enter_async_context(start(folders[1], sys.executable, "program.py"))
        await bo.expect("cy joined")
        await bo.expect("{ bo: 1, cy: 1 }")
        await cy.expect("{'bo': 1, 'cy': 1}")
        async with member(folders[2], stack.facts["host"], group=room, userId="ana") as ana:
            await ana.expect(lambda line: "entered" in line)
            await cy.expect("ana joined")
            await ana.evaluate("room.leave()")
        await bo.expect("ana left")
        await cy.expect("ana left")


async def test_a_backend_reads_the_roster(stack: Running, room: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(example(stack, room, "python", "members"), "utf-8")
    async with start(tmp_path, sys.executable, "program.py") as backend:
        await backend.expect("Z {")


async def test_the_example_of_the_module(stack: Running, room: str, tmp_path: Path) -> None:
    """In Node.js, which has a WebSocket since version 22, and before it with an option."""
    code = example(stack, room, "js", "getToken")
    stub = 'const getToken = async () => "token";\n'
    program = write_node_program(tmp_path, stub + code)
    option = "--experimental-websocket"
    async with start(tmp_path, find_node(), option, program) as ana:
        await ana.expect("ana hello")
