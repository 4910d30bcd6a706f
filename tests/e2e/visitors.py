"""Visitors of the demo page, each in a real browser with its own cookies and tab."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Page,
    ViewportSize,
    async_playwright,
    expect,
)

SCREENSHOTS = Path(__file__).parent / "screenshots"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
DESKTOP = ViewportSize(width=960, height=900)
PHONE = ViewportSize(width=320, height=640)

expect.set_options(timeout=60_000)


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Run the installed Chromium without a window. Skip the test if none is installed."""
    if not CHROMIUM:
        pytest.skip("needs a Chromium: `apt-get install chromium`, or Chrome")
    async with async_playwright() as playwright:
        # Chromium's sandbox does not start as root, the usual user of a container. The browser
        # opens only our own page.
        yield await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@dataclass(slots=True)
class Visitor:
    """A browser tab with the page. It keeps the page's errors and the paths of its requests."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @classmethod
    async def open(cls, browser: Browser, address: str, **options: Any) -> Self:
        """Open the page. `options` are passed to the browser's context."""
        context = await browser.new_context(
            **{"viewport": DESKTOP, "reduced_motion": "reduce", "locale": "en-GB"} | options
        )
        visitor = cls(await context.new_page())
        visitor._listen()
        await visitor.page.goto(f"{address}/api/demo")
        return visitor

    def _listen(self) -> None:
        def on_console(line: ConsoleMessage) -> None:
            # The console also has the violations of the Content-Security-Policy.
            if line.type == "error":
                self.errors.append(line.text)

        self.page.on("console", on_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda sent: self.requests.append(sent.url.partition("/api/")[2]))

    async def enter(self, name: str, room: str) -> None:
        """Fill in the form and submit it. The server may refuse."""
        await self.page.get_by_label("Your name").fill(name)
        await self.page.get_by_label("Room", exact=True).fill(room)
        await self.page.get_by_role("button", name="Enter").click()

    async def expect_refusal(self, name: str, room: str) -> dict[str, Any]:
        """Enter, expect the page to show the detail of the problem, and return the problem."""
        async with self.page.expect_response("**/api/negotiate") as refused:
            await self.enter(name, room)
        problem: dict[str, Any] = await (await refused.value).json()
        await expect(self.page.get_by_role("alert")).to_have_text(problem["detail"])
        return problem

    async def send(self, text: str) -> None:
        """Send a message to the room."""
        await self.page.get_by_label("Message to the room").fill(text)
        await self.page.get_by_role("button", name="Send").click()

    async def expect_steps(self, *answers: str) -> None:
        """Expect these statuses of the three steps."""
        await expect(self.page.locator("#steps .answer")).to_have_text(answers)

    async def expect_roster(self, *names: str) -> None:
        """Expect exactly these names, in this order."""
        await expect(self.page.locator("#roster bdi")).to_have_text(names)

    async def expect_message(self, text: str) -> None:
        """Expect an announcement, a message or a notice with this text, exactly once."""
        await expect(self.page.get_by_role("log").get_by_text(text, exact=True)).to_have_count(1)

    async def expect_status(self, text: str) -> None:
        """Expect the status line to contain this text."""
        await expect(self.page.get_by_role("status")).to_contain_text(text)

    async def take_screenshot(self, name: str) -> None:
        """Save the whole page as NAME.png in a folder that git ignores."""
        SCREENSHOTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
