"""The whole journey, played and told: two users in the lobby, a third in a room, one leaves.

It uses the official clients, and the addresses that any client gets from negotiate. What it tells
of the service's answers are the app's own log records.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from azure.messaging.webpubsubclient.aio import WebPubSubClient, WebPubSubClientCredential
from azure.messaging.webpubsubclient.models import CallbackType, OnGroupDataMessageArgs
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from localdev.stack import Stack, StackError, run_stack, sample_settings

STEP_SECONDS = 10
GOODBYE = "the demo is over"


class DemoError(Exception):
    """A step of the journey did not happen."""


@dataclass
class HostLog:
    """The host's log: records of joins and leaves as they come, and all lines for a failure."""

    lines: list[str] = field(default_factory=list)
    records: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    def add(self, line: str) -> None:
        """Takes a line. A record of the app is a JSON object behind the logger's name."""
        self.lines.append(line)
        _, found, text = line.partition(" usher: ")
        record = json.loads(text) if found else {}
        if record.get("record") in ("join", "leave"):
            self.records.put_nowait(record)


@dataclass
class Member:
    """A user with an open connection."""

    name: str
    room: str
    client: WebPubSubClient
    inbox: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    heard: list[str] = field(default_factory=list)

    async def hear(self, expected: str) -> None:
        """Waits for the next message and checks it."""
        text = await within(self.inbox.get(), f"{self.name} to hear {expected!r}")
        self.heard.append(text)
        if text != expected:
            raise DemoError(f"{self.name} heard {text!r} instead of {expected!r}.")
        tell(f"      {self.name} hears: {text}")


async def run_demo() -> int:
    """Plays it on free ports, with the sample's settings. 0 where every step happened, else 1."""
    # The client warns of its own closing; what went wrong is told by the transcript.
    logging.basicConfig(level=logging.ERROR)
    log = HostLog()
    try:
        async with run_stack(sample_settings(), on_log=log.add) as stack:
            await play(stack, log)
    except (DemoError, StackError) as error:
        tell(f"\nFAILED: {error}\n\nThe host's log:", *log.lines)
        return 1
    tell(
        "",
        "Every step happened: three joins and one leave, each heard by its room and nobody else,",
        "and one refusal.",
    )
    return 0


async def play(stack: Stack, log: HostLog) -> None:
    """The scenario."""
    tell(f"Web PubSub emulator  {stack.emulator.endpoint}   hub {stack.hub}")
    tell(f"Functions host       {stack.host.address}")
    async with AsyncExitStack() as clients:

        async def enter(name: str, room: str) -> Member:
            return await clients.enter_async_context(enter_room(stack, log, name, room))

        ana = await enter("ana", "lobby")
        await ana.hear("ana joined lobby")
        bo = await enter("bo", "lobby")
        for member in (ana, bo):
            await member.hear("bo joined lobby")
        cy = await enter("cy", "user-cy")
        await cy.hear("cy joined user-cy")
        await expect_refusal(stack, "bo", "user-cy")

        tell("\nbo leaves room lobby")
        await bo.client.close()
        await expect_record(log, "leave", "bo")
        await ana.hear("bo left lobby")
        await say_goodbye(stack, ana, cy)
        # Each takes a second to close; the exit stack would close them one by one.
        await asyncio.gather(ana.client.close(), cy.client.close())


@asynccontextmanager
async def enter_room(stack: Stack, log: HostLog, name: str, room: str) -> AsyncIterator[Member]:
    """Opens a client that knows the negotiate URL only; tells the three steps."""
    tell(f"\n{name} enters room {room}")
    inbox: asyncio.Queue[str] = asyncio.Queue()
    client = WebPubSubClient(WebPubSubClientCredential(negotiator(stack, name, room)))
    await client.subscribe(CallbackType.GROUP_MESSAGE, putter(inbox))
    async with client:
        await expect_record(log, "join", name)
        yield Member(name, room, client, inbox)


def putter(inbox: asyncio.Queue[str]) -> Callable[[OnGroupDataMessageArgs], Awaitable[None]]:
    """The client's callback, which must be a coroutine."""

    async def put(message: OnGroupDataMessageArgs) -> None:
        inbox.put_nowait(str(message.data))

    return put


def negotiator(stack: Stack, name: str, room: str) -> Callable[[], Coroutine[Any, Any, str]]:
    """What the client calls when it wants a URL: step 1."""

    async def get_url() -> str:
        status, body = await negotiate(stack, name, room)
        tell(f"  1 generateToken  {status}  for {name}, group {room}")
        if status != 200:
            raise DemoError(f"negotiate refused {name}: {body['detail']}")
        return str(body["url"])

    return get_url


async def negotiate(stack: Stack, name: str, room: str) -> tuple[int, dict[str, Any]]:
    """The status and the body of the answer."""
    query = {"userId": name, "group": room}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{stack.host.address}/api/negotiate", params=query) as answer,
    ):
        return answer.status, await answer.json()


async def expect_refusal(stack: Stack, name: str, room: str) -> None:
    """The policy keeps users out of what is somebody else's."""
    tell(f"\n{name} asks for room {room}")
    status, body = await negotiate(stack, name, room)
    if status != 403:
        raise DemoError(f"{name} was not kept out of {room}: {status}.")
    tell(f"  1 generateToken  403  {body['detail']}")


async def expect_record(log: HostLog, kind: str, name: str) -> None:
    """Waits for the app's record of steps 2 and 3, or of a leave, and checks its statuses."""
    record = await within(log.records.get(), f"the record of {name}'s {kind}")
    if record.get("record") != kind or record.get("userId") != name:
        raise DemoError(f"The app recorded something else: {record}")
    if kind == "join":
        tell(f"  2 addConnection  {record['addStatus']}  connection {record['connectionId']}")
        tell(f"  3 announceJoin   {record['sendStatus']}  to {record['group']}")
    else:
        tell(f"    announceLeave  {record['sendStatus']}  to {record['group']}")
    if record["sendStatus"] != 202 or record.get("addStatus", 200) != 200:
        raise DemoError(f"The {kind} of {name} did not succeed: {record}")


async def say_goodbye(stack: Stack, *members: Member) -> None:
    """A last message to everybody; whatever was wrongly sent to a member came before it."""
    connection_string = stack.emulator.connection_string
    async with WebPubSubServiceClient.from_connection_string(
        connection_string, stack.hub
    ) as service:
        for member in members:
            await service.send_to_group(member.room, GOODBYE, content_type="text/plain")
    tell("\nThe demo says goodbye to both rooms")
    for member in members:
        await member.hear(GOODBYE)


async def within[T](waiting: Awaitable[T], what: str) -> T:
    """Waits, but not for ever."""
    try:
        return await asyncio.wait_for(waiting, STEP_SECONDS)
    except TimeoutError:
        raise DemoError(f"Waited {STEP_SECONDS} s in vain for {what}.") from None


def tell(*lines: str) -> None:
    """The transcript, line by line as it happens."""
    print(*lines, sep="\n", flush=True)
