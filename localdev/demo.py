"""`dev.py demo`: users join the lobby and another room, one leaves, and one is removed.

The demo uses the official clients with the URLs that negotiate returns. The statuses that it
prints are from the app's log records.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from azure.messaging.webpubsubclient.aio import WebPubSubClient, WebPubSubClientCredential
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    OnDisconnectedArgs,
    OnGroupDataMessageArgs,
    OpenClientError,
    WebPubSubProtocolType,
)
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from localdev.stack import Stack, StackError, run_stack, sample_settings

STEP_SECONDS = 30  # a busy machine is no failure
GOODBYE = "the demo is over"


class DemoError(Exception):
    """A step of the journey failed; the text says which."""


@dataclass(slots=True)
class HostLog:
    """The host's log: all lines, and a queue of the records of joins and leaves."""

    lines: list[str] = field(default_factory=list)
    records: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    def add(self, line: str) -> None:
        """Add a line. A record of the app is a JSON object behind the logger's name."""
        self.lines.append(line)
        _, found, text = line.partition(" usher: ")
        record = json.loads(text) if found else {}
        if record.get("record") in ("join", "leave"):
            self.records.put_nowait(record)


type Journey = Callable[[Stack, HostLog], Awaitable[None]]


@dataclass(slots=True)
class Member:
    """A user with an open connection."""

    name: str
    room: str
    client: WebPubSubClient
    inbox: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def receive(self, expected: str) -> None:
        """Wait for the next message and check its text."""
        text = await within(self.inbox.get(), f"{self.name} to receive {expected!r}")
        if text != expected:
            raise DemoError(f"{self.name} received {text!r} instead of {expected!r}.")
        show(f"      {self.name} receives: {text}")


async def run_demo() -> int:
    """Run the journey on free ports with the sample settings; return 0 on success, else 1."""
    return await run_on_stack(
        run_journey,
        "\nAll steps succeeded: four joins and two leaves, each received only in its room,\n"
        "one request that the policy denied, and one removal that nobody can go around.",
    )


async def run_on_stack(
    journey: Journey, done: str, settings: Mapping[str, str] | None = None
) -> int:
    """Run a journey on a new stack and print `done`; return 0, or 1 if a step failed.

    `settings` override the sample settings. The bans are in a temporary file.
    """
    # The client logs a warning when it closes. Errors are in the transcript.
    logging.basicConfig(level=logging.ERROR)
    log = HostLog()
    try:
        with TemporaryDirectory() as folder:
            bans = {"USHER_BANS": f"sqlite:{Path(folder, 'bans.sqlite')}"}
            overrides = {**sample_settings(), **bans, **(settings or {})}
            async with run_stack(overrides, on_log=log.add) as stack:
                show(f"Web PubSub emulator  {stack.emulator.endpoint}   hub {stack.hub}")
                show(f"Functions host       {stack.host.address}")
                await journey(stack, log)
    except (DemoError, OpenClientError, StackError) as error:
        # The client replaces a cancellation, which is what Ctrl-C causes, with an error of its own.
        if (task := asyncio.current_task()) and task.cancelling():
            raise asyncio.CancelledError from None
        show(f"\nFAILED: {error}\n\nThe host's log:", *log.lines)
        return 1
    show(done)
    return 0


async def run_journey(stack: Stack, log: HostLog) -> None:
    async with AsyncExitStack() as clients:

        async def enter(name: str, room: str) -> Member:
            return await clients.enter_async_context(enter_room(stack, log, name, room))

        ana = await enter("ana", "lobby")
        await ana.receive("ana joined lobby")
        bo = await enter("bo", "lobby")
        for member in (ana, bo):
            await member.receive("bo joined lobby")
        cy = await enter("cy", "user-cy")
        await cy.receive("cy joined user-cy")
        await expect_denial(stack, "bo", "user-cy")
        mallory = await enter("mallory", "lobby")
        for member in (ana, bo, mallory):
            await member.receive("mallory joined lobby")
        await show_out(stack, log, mallory, ana, bo)

        show("\nbo leaves room lobby")
        await bo.client.close()
        await expect_record(log, "leave", "bo")
        await ana.receive("bo left lobby")
        await send_goodbye(stack, ana, cy)


@asynccontextmanager
async def enter_room(stack: Stack, log: HostLog, name: str, room: str) -> AsyncIterator[Member]:
    """Connect a client, which knows only the negotiate URL, and show the three steps."""
    show(f"\n{name} enters room {room}")
    inbox: asyncio.Queue[str] = asyncio.Queue()
    credential = WebPubSubClientCredential(negotiator(stack, name, room))
    # With the reliable protocol, which is the default, the client takes a second to close.
    client = WebPubSubClient(
        credential, protocol_type=WebPubSubProtocolType.JSON, reconnect_retry_total=0
    )
    await client.subscribe(CallbackType.GROUP_MESSAGE, putter(inbox))
    await client.subscribe(CallbackType.DISCONNECTED, ending_putter(inbox))
    async with client:
        await expect_record(log, "join", name)
        yield Member(name, room, client, inbox)


def putter(inbox: asyncio.Queue[str]) -> Callable[[OnGroupDataMessageArgs], Awaitable[None]]:
    """Return a callback for the client that puts each message into the inbox."""

    async def put(message: OnGroupDataMessageArgs) -> None:
        inbox.put_nowait(str(message.data))

    return put


def ending_putter(inbox: asyncio.Queue[str]) -> Callable[[OnDisconnectedArgs], Awaitable[None]]:
    """Return a callback for the client that puts the service's last words into the inbox."""

    async def put(end: OnDisconnectedArgs) -> None:
        if end.message:
            inbox.put_nowait(end.message)

    return put


def negotiator(stack: Stack, name: str, room: str) -> Callable[[], Coroutine[Any, Any, str]]:
    """Return a callback for the client that gets its URL: step 1."""

    async def get_url() -> str:
        status, body = await negotiate(stack, name, room)
        show(f"  1 generateToken  {status}  for {name}, group {room}")
        if status != 200:
            raise DemoError(f"negotiate denied {name}: {body['detail']}")
        return str(body["url"])

    return get_url


async def negotiate(stack: Stack, name: str, room: str) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of the response."""
    query = {"userId": name, "group": room}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{stack.host.address}/api/negotiate", params=query) as answer,
    ):
        return answer.status, await answer.json()


async def expect_denial(stack: Stack, name: str, room: str) -> None:
    """Negotiate a room, which must be denied."""
    show(f"\n{name} asks for room {room}")
    status, body = await negotiate(stack, name, room)
    if status != 403:
        raise DemoError(f"negotiate did not deny {name} the room {room}: status {status}.")
    show(f"  1 generateToken  403  {body['detail']}")


async def show_out(stack: Stack, log: HostLog, member: Member, *others: Member) -> None:
    """Remove a member from the hub. The others hear it, and neither token lets the member in."""
    name = member.name
    _, old = await negotiate(stack, name, member.room)
    show(f"\nAn operator removes {name}")
    removing = asyncio.create_task(remove(stack, name))
    try:
        await member.receive("Application server closed the connection. Reason: removed: spam")
        await expect_record(log, "leave", name)
        for other in others:
            await other.receive(f"{name} left {member.room}")
        await removing
    finally:
        removing.cancel()
    show("    removeUser     201  for 60 minutes")
    await expect_denial(stack, name, member.room)
    await expect_closed_door(old["url"])


async def remove(stack: Stack, name: str) -> None:
    """Remove a user from the hub for an hour."""
    body = {"userId": name, "minutes": 60, "reason": "spam"}
    url = f"{stack.host.address}/api/removals"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        if answer.status != 201:
            raise DemoError(f"The removal of {name} failed: {await answer.text()}")


async def expect_closed_door(url: str) -> None:
    """Connect with a token from before the removal, which must not help."""
    try:
        async with aiohttp.ClientSession() as session, session.ws_connect(url):
            raise DemoError("A token from before the removal opened a connection.")
    except aiohttp.WSServerHandshakeError as error:
        show(f"    connect        {error.status}  with a token from before")
        if error.status != 401:
            raise DemoError(f"Expected the status 401, but got {error.status}.") from None


async def expect_record(log: HostLog, kind: str, name: str) -> None:
    """Wait for the app's record of steps 2 and 3, or of a leave, and check its statuses."""
    record = await within(log.records.get(), f"the record of {name}'s {kind}")
    if record.get("record") != kind or record.get("userId") != name:
        raise DemoError(f"Expected the {kind} record of {name}, but got: {record}")
    if kind == "join":
        show(f"  2 addConnection  {record['addStatus']}  connection {record['connectionId']}")
        show(f"  3 announceJoin   {record['sendStatus']}  to {record['group']}")
    else:
        show(f"    announceLeave  {record['sendStatus']}  to {record['group']}")
    if record["sendStatus"] != 202 or record.get("addStatus", 200) != 200:
        raise DemoError(f"The {kind} of {name} did not succeed: {record}")


async def send_goodbye(stack: Stack, *members: Member) -> None:
    """Send a last message to each member. A message to the wrong room would arrive before it."""
    connection_string = stack.emulator.connection_string
    async with WebPubSubServiceClient.from_connection_string(
        connection_string, stack.hub
    ) as service:
        for member in members:
            await service.send_to_group(member.room, GOODBYE, content_type="text/plain")
    show("\nThe demo sends a last message to both rooms")
    for member in members:
        await member.receive(GOODBYE)


async def within[T](waiting: Awaitable[T], what: str) -> T:
    """Wait up to STEP_SECONDS. Raises DemoError."""
    try:
        return await asyncio.wait_for(waiting, STEP_SECONDS)
    except TimeoutError:
        raise DemoError(f"Waited {STEP_SECONDS} s without success for {what}.") from None


def show(*lines: str) -> None:
    """Print lines of the transcript at once."""
    print(*lines, sep="\n", flush=True)
