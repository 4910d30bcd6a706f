"""web/usher.js in Node.js, against the whole stack."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from azure.messaging.webpubsubclient.models import WebPubSubDataType
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.room import Room, wait_until
from tests.presence.node import Line, Member, member

pytestmark = pytest.mark.asyncio

type Enter = Callable[..., AbstractAsyncContextManager[Member]]

T0, T1, T2 = (f"2026-11-26T12:00:0{second}Z" for second in (0, 1, 2))
PROBLEM = {"status": 403, "detail": "Not for ana.", "field": "group"}


@pytest.fixture(scope="module")
def room_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the stack with the control endpoint and without a rate limit."""
    log = tmp_path_factory.mktemp("room-stack") / "log"
    with run([*UP, "--control"], log, {"USHER_CALLER_LIMIT": "0"}) as running:
        yield running


@pytest_asyncio.fixture
async def room(room_stack: Running) -> AsyncIterator[Room]:
    async with aiohttp.ClientSession() as session:
        room = Room(room_stack, session)
        yield room
        await room.close()


@pytest.fixture
def enter(room: Room, tmp_path: Path) -> Enter:
    """Return a function that runs a member of the room in Node.js."""

    def enter(user: str = "ana", **options: Any) -> AbstractAsyncContextManager[Member]:
        folder = tmp_path / user
        folder.mkdir()
        host = room.stack.facts["host"]
        return member(folder, host, group=room.name, userId=user, **options)

    return enter


def answer(status: int, body: Any, **headers: str) -> dict[str, Any]:
    """Return an answer for the member's first request."""
    return {"status": status, "body": json.dumps(body), "headers": headers}


def open_service(room: Room) -> WebPubSubServiceClient:
    """Return a client of the service with the rights of an operator."""
    connection_string = room.stack.facts["connectionString"]
    return WebPubSubServiceClient.from_connection_string(connection_string, "chat")


def presence(room: Room, as_of: str, users: dict[str, int], *gone: str, **more: Any) -> Any:
    """Return a presence message of the room, without a checksum."""
    message = {"type": "presence", "group": room.name, "asOf": as_of, "users": users, "gone": gone}
    rest = {"count": None, "checksum": None, "truncated": False, "snapshot": False}
    return message | rest | more


async def publish(room: Room, *messages: Any) -> None:
    """Send messages to the group, as the app does."""
    async with open_service(room) as service:
        for message in messages:
            await service.send_to_group(room.name, message)


def is_entered(line: Line) -> bool:
    return "entered" in line


async def test_users_are_those_of_the_messages_and_oneself(enter: Enter, room: Room) -> None:
    async with enter() as ana:
        assert await ana.expect(is_entered) == {"entered": "ana", "users": {"ana": 1}}
        await dump(ana)
        assert 0


async def dump(ana: Member) -> None:
    await asyncio.sleep(3)
    print(await ana.evaluate("1"), ana.lines)
