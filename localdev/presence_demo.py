"""`dev.py demo --presence`: what a member sees of another user's tabs, reload and killed browser.

Each tab of the other user is a process of its own. The member applies the presence messages with
the same rules as web/usher.js.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from localdev.demo import DemoError, HostLog, negotiate, run_on_stack, show, within
from localdev.interrupts import interrupts_masked
from localdev.presence import EMPTY, State, apply_presence, present_users
from localdev.stack import Stack
from localdev.tab import SUBPROTOCOL

ROOM = "lobby"
# The grace is longer than the default, so that a busy machine opens a tab within it.
SETTINGS = {"USHER_ANNOUNCEMENT_FORMAT": "presence", "USHER_LEAVE_GRACE_SECONDS": "5"}


@dataclass(slots=True)
class Watcher:
    """A member who watches the room; `seen` has the lines that a page would show."""

    name: str
    state: State = EMPTY
    seen: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def watch(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Apply each presence message."""
        async for message in socket:
            self.apply(message.json().get("data"))

    def apply(self, message: object) -> None:
        """Add a line for each user who comes, goes, or opens or closes a tab."""
        before = present_users(self.state)
        self.state = apply_presence(self.state, message).state
        after = present_users(self.state)
        for user in sorted(before.keys() | after.keys()):
            if before.get(user) != after.get(user):
                self.seen.put_nowait(_describe(user, before.get(user, 0), after.get(user, 0)))

    async def expect(self, expected: str) -> None:
        """Wait for the next line and check it."""
        line = await within(self.seen.get(), f"{self.name} to see {expected!r}")
        if line != expected:
            raise DemoError(f"{self.name} saw {line!r} instead of {expected!r}.")
        show(f"      {self.name} sees: {line}")

    def expect_nothing(self) -> None:
        """Check that there is no further line."""
        if not self.seen.empty():
            raise DemoError(f"{self.name} saw {self.seen.get_nowait()!r}.")
        show(f"      {self.name} sees nothing")


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab in its own process."""

    process: asyncio.subprocess.Process
    connection_id: str

    async def close(self) -> None:
        """Close the tab as a browser does, with a close frame."""
        if self.process.stdin:
            self.process.stdin.close()
        await self.process.wait()

    async def kill(self) -> None:
        """Kill the process, which sends nothing more."""
        self.process.kill()
        await self.process.wait()


async def run_presence_demo() -> int:
    """Run the scenes on free ports with the sample settings; return 0 on success, else 1."""
    done = (
        "\nAll steps succeeded: tabs are counted, a reload shows nothing, a killed browser leaves."
    )
    return await run_on_stack(run_scenes, done, SETTINGS)


async def run_scenes(stack: Stack, log: HostLog) -> None:
    async with AsyncExitStack() as clients:
        ana = await clients.enter_async_context(enter(stack, "ana"))
        await ana.expect("ana is here")

        show("\nbo opens a tab")
        first = await open_tab(clients, stack, "bo")
        await ana.expect("bo is here")
        show("\nbo opens a second tab")
        second = await open_tab(clients, stack, "bo")
        await ana.expect("bo has 2 tabs")
        show("\nbo closes the second tab")
        await second.close()
        await ana.expect("bo has 1 tab")

        show("\nbo reloads the page: the tab closes, and opens again")
        await first.close()
        third = await open_tab(clients, stack, "bo")
        await expect_leave(log, first)
        ana.expect_nothing()

        show("\nbo's browser is killed; the leave waits 5 s, in case it was a reload")
        await third.kill()
        await ana.expect("bo has left")


@asynccontextmanager
async def enter(stack: Stack, name: str) -> AsyncIterator[Watcher]:
    """Connect a member who watches the room."""
    show(f"{name} enters room {ROOM}")
    watcher = Watcher(name)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(await client_url(stack, name), protocols=(SUBPROTOCOL,)) as socket,
    ):
        watching = asyncio.create_task(watcher.watch(socket))
        yield watcher
        watching.cancel()


async def open_tab(clients: AsyncExitStack, stack: Stack, name: str) -> Tab:
    """Start the process of a tab and wait until it is connected."""
    url = await client_url(stack, name)
    with interrupts_masked():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "localdev.tab", url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
    clients.push_async_callback(_end, process)
    opened = process.stdout.readline() if process.stdout else None
    line = await within(opened, f"a tab of {name} to open") if opened else b""
    return Tab(process, line.decode().strip())


async def client_url(stack: Stack, name: str) -> str:
    """Negotiate, and return the client's URL. Raises DemoError."""
    status, body = await negotiate(stack, name, ROOM)
    if status != 200:
        raise DemoError(f"negotiate denied {name}: {body['detail']}")
    return str(body["url"])


async def expect_leave(log: HostLog, tab: Tab) -> None:
    """Wait until the app has handled the end of a tab, which takes the grace."""
    while True:
        record = await within(log.records.get(), "the record of a leave")
        if (record["record"], record["connectionId"]) == ("leave", tab.connection_id):
            return


def _describe(user: str, before: int, after: int) -> str:
    if not after:
        return f"{user} has left"
    tabs = "1 tab" if after == 1 else f"{after} tabs"
    return f"{user} has {tabs}" if before else f"{user} is here"


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
