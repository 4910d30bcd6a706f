"""Announcements in JSON, as a client uses them that must not tell anything twice."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from azure.messaging.webpubsubclient.models import WebPubSubDataType
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from tests.e2e.clients import User
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.room import THE_END, Room


@pytest.fixture(scope="module")
def json_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack that announces in JSON."""
    log = tmp_path_factory.mktemp("json-stack") / "log"
    with run([*UP, "--control"], log, {"USHER_ANNOUNCEMENT_FORMAT": "json"}) as running:
        yield running


@pytest.fixture
async def room(json_stack: Running) -> AsyncIterator[Room]:
    """A room of its own."""
    async with aiohttp.ClientSession() as session:
        subject = Room(json_stack, session)
        try:
            yield subject
        finally:
            await subject.close()


async def read_all(room: Room, user: User) -> list[dict[str, Any]]:
    """The announcements that a user has heard."""
    async with WebPubSubServiceClient.from_connection_string(
        room.stack.facts["connectionString"], room.stack.facts["hub"]
    ) as service:
        await service.send_to_group(room.name, {"id": THE_END})
    heard: list[Any] = []
    while not heard or heard[-1]["id"] != THE_END:
        message = await user.receive()
        assert message.data_type == WebPubSubDataType.JSON
        heard.append(message.data)
    return heard[:-1]


async def test_joins_and_leaves(room: Room) -> None:
    """Each with an id of its own, at the time of the event."""
    before = datetime.now(UTC).replace(microsecond=0)
    await room.enter("ana", "bo")
    await room.go("bo")
    await room.settled("bo", "disconnected")
    heard = await read_all(room, room.users["ana"])
    assert len({one.pop("id") for one in heard}) == 3
    for one in heard:
        assert before <= datetime.fromisoformat(one.pop("at")) <= before + timedelta(seconds=10)
    assert heard == [
        {"type": kind, "group": room.name, "userId": user, "text": f"{user} {kind} {room.name}"}
        for user, kind in (("ana", "joined"), ("bo", "joined"), ("bo", "left"))
    ]


async def test_events_that_come_twice(room: Room) -> None:
    """An instance that sees both tells one."""
    await room.switch("event-duplicated")
    await room.enter("ana", "bo", "cy")
    heard = await read_all(room, room.users["ana"])
    assert [one["userId"] for one in heard] == ["ana", "bo", "cy"]


async def test_messages_that_come_twice(room: Room) -> None:
    """The double is the same to the letter, so a client that drops known ids tells it once."""
    await room.switch("rest-error-after:rate=0.4,status=503", seed=9)
    await room.enter("ana", "bo", "cy")
    heard = await read_all(room, room.users["ana"])
    assert len(heard) > 3
    known: dict[str, dict[str, Any]] = {}
    for one in heard:
        assert known.setdefault(one["id"], one) == one
    assert [one["userId"] for one in known.values()] == ["ana", "bo", "cy"]
