"""One emulator with two instances of the app in the presence format, and clients that listen."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from azure.messaging.webpubsubclient.aio import WebPubSubClient, WebPubSubClientCredential
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    OnGroupDataMessageArgs,
    OnServerDataMessageArgs,
    WebPubSubProtocolType,
)
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from localdev.presence import EMPTY, apply_presence, present_users
from localdev.stack import HostProcess, run_host, sample_settings
from webpubsub_emulator import Emulator, Faults

SECONDS = 60  # the longest wait for a message; a busy machine is no failure
SETTINGS = {
    "USHER_POLICY_FILE": "tests/e2e/any_room.json",
    "USHER_ANNOUNCEMENT_FORMAT": "presence",
    "USHER_JOIN_TEXT": "",
    "USHER_LEAVE_TEXT": "",
}

GRACES = ("1", "5")  # of the instances; the second one gives slow machines time to reload

type Message = dict[str, Any]


class Tab:
    """A connected client. `messages` has what it received so far, `unread` is a part of it."""

    snapshot: Message  # the first one with its own user

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.unread: asyncio.Queue[Message] = asyncio.Queue()

    async def keep(self, message: OnGroupDataMessageArgs | OnServerDataMessageArgs) -> None:
        """Keep a message of the app, which has no sender."""
        if isinstance(message, OnGroupDataMessageArgs):
            assert message.from_user_id is None
            assert message.group == message.data["group"]
        self.messages.append(message.data)
        self.unread.put_nowait(message.data)

    async def wait_for(self, is_expected: Callable[[Message], Any]) -> Message:
        """Read on to the first message that is expected, and return it."""
        async with asyncio.timeout(SECONDS):
            while not is_expected(message := await self.unread.get()):
                pass
        return message

    async def wait_for_snapshot(self, name: str) -> Message:
        """Return the first snapshot with this user."""
        return await self.wait_for(lambda each: name in each["users"] and each["snapshot"])

    async def wait_for_user(self, name: str, count: int) -> Message:
        """Return the first message that says how many connections a user has; 0 is gone."""
        return await self.wait_for(lambda each: count_in(each, name) == count)

    def merge(self) -> tuple[dict[str, int], list[str], list[str]]:
        """Return the users that a client shows at the end, and who joined and left until then."""
        state, joined, left = EMPTY, list[str](), list[str]()
        for message in self.messages:
            result = apply_presence(state, message)
            state, joined, left = result.state, joined + result.joined, left + result.left
        return present_users(state), joined, left

    def counts(self, name: str) -> list[int]:
        """Return the counts of a user in all messages that name it."""
        found = (count_in(each, name) for each in self.messages)
        return [count for count in found if count is not None]


def count_in(message: Message, name: str) -> int | None:
    """Return what a message says about a user, None if it says nothing."""
    return 0 if name in message["gone"] else message["users"].get(name)


@dataclass(slots=True)
class PresenceStack:
    """The emulator and the instances. `log` has the lines of all instances."""

    emulator: Emulator
    faults: Faults
    instances: list[HostProcess] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def send_events_to(self, **instances: int) -> None:
        """Send these events to these instances, and all others to the first one."""
        self.emulator.clear_event_handlers("chat")
        for name in ("connect", "connected", "disconnected"):
            webhook = self.instances[instances.get(name, 0)].webhook
            self.emulator.add_event_handler("chat", webhook, system_events=[name])

    @asynccontextmanager
    async def enter(self, user: str | None, *groups: str) -> AsyncIterator[Tab]:
        """Connect with the official client and the plain protocol, until the block ends.

        The block begins when the user's snapshot has arrived, so its join is announced.
        """

        async def get_url() -> str:
            return await self.negotiate(user, *groups)

        client = WebPubSubClient(
            WebPubSubClientCredential(get_url), protocol_type=WebPubSubProtocolType.JSON
        )
        tab = Tab()
        await client.subscribe(CallbackType.GROUP_MESSAGE, tab.keep)
        await client.subscribe(CallbackType.SERVER_MESSAGE, tab.keep)
        async with client:
            tab.snapshot = await tab.wait_for_snapshot(user or "")
            yield tab

    async def negotiate(self, user: str | None, *groups: str) -> str:
        """Return a client URL from the app; without a user, which it never issues, another one."""
        if user is None:
            async with self.service() as service:
                return str((await service.get_client_access_token(groups=list(groups)))["url"])
        url = f"{self.instances[0].address}/api/negotiate"
        query = [("userId", user), *(("group", group) for group in groups)]
        async with aiohttp.ClientSession() as session, session.get(url, params=query) as response:
            assert response.status == 200, await response.text()
            return str((await response.json())["url"])

    def service(self) -> WebPubSubServiceClient:
        """Return a client of the REST API."""
        return WebPubSubServiceClient.from_connection_string(
            self.emulator.connection_string, "chat"
        )

    async def read_all(self, tab: Tab, group: str) -> None:
        """Wait until the tab has received all messages to the group up to now."""
        end = {"type": "end", "group": group, "users": {}, "gone": []}
        async with self.service() as service:
            await service.send_to_group(group, end)
        await tab.wait_for(lambda each: each["type"] == "end")

    async def state(self) -> dict[str, Any]:
        """Return the state that the emulator shows."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.emulator.control_url}/state") as response,
        ):
            found: dict[str, Any] = await response.json()
            return found

    async def wait_for_record(self, **wanted: Any) -> dict[str, Any]:
        """Wait for a log record of any instance with these values, and return it."""
        async with asyncio.timeout(SECONDS):
            while True:
                lines = (line.partition(" usher: ")[2] for line in self.log)
                for record in (json.loads(line) for line in lines if line.startswith("{")):
                    if record.items() >= wanted.items():
                        return dict(record)
                await asyncio.sleep(0.02)


@asynccontextmanager
async def run_presence_stack() -> AsyncIterator[PresenceStack]:
    """Run the emulator and two instances, which get no events yet."""
    log: list[str] = []
    faults = Faults()
    async with Emulator(control=True, faults=faults) as emulator:
        connection = {"WebPubSubConnectionString": emulator.connection_string}
        settings = {**sample_settings(), **SETTINGS, **connection}
        async with AsyncExitStack() as hosts:
            stack = PresenceStack(emulator, faults, log=log)
            for grace in GRACES:
                host = run_host({**settings, "USHER_LEAVE_GRACE_SECONDS": grace}, on_log=log.append)
                stack.instances.append(await hosts.enter_async_context(host))
            yield stack
