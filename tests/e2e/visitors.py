"""Visitors of the demo page, each in a real browser with cookies and a tab of its own."""

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
DESK = ViewportSize(width=960, height=900)
PHONE = ViewportSize(width=320, height=640)

expect.set_options(timeout=10_000)


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """The Chromium of this machine, without a window; where there is none, tests are skipped."""
    if not CHROMIUM:
        pytest.skip("needs a Chromium: `apt-get install chromium`, or Chrome")
    async with async_playwright() as playwright:
        # Chromium's sandbox does not start as root, which containers often are; it shows one page
        # here, and that is ours.
        yield await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@dataclass
class Visitor:
    """Somebody with the page in front of them. `asked` are the requests that the page made."""

    page: Page
    troubles: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @classmethod
    async def come(cls, browser: Browser, address: str, **options: Any) -> Self:
        """Opens the page; `options` are those of the browser's context."""
        context = await browser.new_context(
            **{"viewport": DESK, "reduced_motion": "reduce", "locale": "en-GB"} | options
        )
        visitor = cls(await context.new_page())
        visitor._listen()
        await visitor.page.goto(f"{address}/api/demo")
        return visitor

    def _listen(self) -> None:
        def on_console(line: ConsoleMessage) -> None:
            # Breaches of the Content-Security-Policy are told here, too.
            if line.type == "error":
                self.troubles.append(line.text)

        self.page.on("console", on_console)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", lambda asked: self.asked.append(asked.url.partition("/api/")[2]))

    async def enter(self, name: str, room: str) -> None:
        """Asks to be let in; whether it is, the caller looks."""
        await self.page.get_by_label("Your name").fill(name)
        await self.page.get_by_label("Room", exact=True).fill(room)
        await self.page.get_by_role("button", name="Enter").click()

    async def say(self, text: str) -> None:
        """Sends a message to the room."""
        await self.page.get_by_label("Message to the room").fill(text)
        await self.page.get_by_role("button", name="Send").click()

    async def sees_steps(self, *answers: str) -> None:
        """The answers of the three steps, which must be there soon."""
        await expect(self.page.locator("#steps .answer")).to_have_text(answers)

    async def sees_roster(self, *names: str) -> None:
        """Exactly these names, in this order."""
        await expect(self.page.locator("#roster bdi")).to_have_text(names)

    async def hears(self, text: str) -> None:
        """An announcement or a message of the page, once."""
        await expect(self.page.get_by_role("log").get_by_text(text, exact=True)).to_have_count(1)

    async def reads(self, text: str) -> None:
        """What the status line says, in part."""
        await expect(self.page.get_by_role("status")).to_contain_text(text)

    async def photograph(self, name: str) -> None:
        """A picture for people, in a folder that git does not keep."""
        SCREENSHOTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
