"""Announcements in JSON, read by a client that uses their ids to ignore duplicates."""

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
    """Run a stack that announces in JSON."""
    log = tmp_path_factory.mktemp("json-stack") / "log"
    with run([*UP, "--control"], log, {"USHER_ANNOUNCEMENT_FORMAT": "json"}) as running:
        yield running


@pytest.fixture
async def room(json_stack: Running) -> AsyncIterator[Room]:
    async with aiohttp.ClientSession() as session:
        subject = Room(json_stack, session)
        try:
            yield subject
        finally:
            await subject.close()


async def read_all(room: Room, user: User) -> list[dict[str, Any]]:
    """Return the announcements that a user has received."""
    async with WebPubSubServiceClient.from_connection_string(
        room.stack.facts["connectionString"], room.stack.facts["hub"]
    ) as service:
        await service.send_to_group(room.name, {"id": THE_END})
    messages: list[Any] = []
    while not messages or messages[-1]["id"] != THE_END:
        message = await user.receive()
        assert message.data_type == WebPubSubDataType.JSON
        messages.append(message.data)
    return messages[:-1]


async def test_each_join_and_leave_has_its_own_id_and_the_time_of_its_event(room: Room) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    await room.join("ana", "bo")
    await room.leave("bo")
    await room.wait_for_event("bo", "disconnected")
    announcements = await read_all(room, room.users["ana"])
    assert len({one.pop("id") for one in announcements}) == 3
    for one in announcements:
        assert before <= datetime.fromisoformat(one.pop("at")) <= before + timedelta(minutes=10)
    assert announcements == [
        {"type": kind, "group": room.name, "userId": user, "text": f"{user} {kind} {room.name}"}
        for user, kind in (("ana", "joined"), ("bo", "joined"), ("bo", "left"))
    ]


async def test_an_event_that_arrives_twice_is_announced_once(room: Room) -> None:
    """This holds if the same instance receives both."""
    await room.set_faults("event-duplicated")
    await room.join("ana", "bo", "cy")
    announcements = await read_all(room, room.users["ana"])
    assert [one["userId"] for one in announcements] == ["ana", "bo", "cy"]


async def test_a_repeated_message_is_identical(room: Room) -> None:
    """A client that ignores known ids therefore shows each announcement once."""
    await room.set_faults("rest-error-after:rate=0.4,status=503", seed=9)
    await room.join("ana", "bo", "cy")
    announcements = await read_all(room, room.users["ana"])
    assert len(announcements) > 3
    known: dict[str, dict[str, Any]] = {}
    for one in announcements:
        assert known.setdefault(one["id"], one) == one
    assert [one["userId"] for one in known.values()] == ["ana", "bo", "cy"]
