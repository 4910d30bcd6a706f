"""What becomes of the app's joins under each fault, with the official client and real processes."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from azure.messaging.webpubsubclient.models import WebPubSubProtocolType

from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.room import Room, until

USERS = ("ana", "bo", "cy")
TOLD_ONCE = ["ana joined", "bo joined", "cy joined"]


@pytest.fixture(scope="module")
def faulty_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack whose faults the tests switch on and off."""
    with run([*UP, "--control"], tmp_path_factory.mktemp("faulty-stack") / "log") as running:
        yield running


@pytest.fixture
async def room(faulty_stack: Running) -> AsyncIterator[Room]:
    """A room of its own."""
    async with aiohttp.ClientSession() as session:
        subject = Room(faulty_stack, session)
        try:
            yield subject
        finally:
            await subject.close()


async def all_are_members(room: Room) -> None:
    """Membership is never lost, because the token itself joins the groups."""
    assert await room.connections() == room.ids
    assert tuple(room.ids) == USERS


async def test_late_visibility(room: Room) -> None:
    """The app calls again after 404, and everybody is told of everybody once."""
    await room.switch("late-visibility:ms=300")
    await room.enter(*USERS)
    await all_are_members(room)
    for user in USERS:
        assert set(await room.calls("PUT", user)) == {404, 200}
        assert (room.record(user)["addStatus"], room.record(user)["sendStatus"]) == (200, 202)
    assert await room.heard() == TOLD_ONCE


async def test_throttled_calls(room: Room) -> None:
    """The app waits as long as it is told, for adds and for texts, and all are told once."""
    await room.switch("rest-throttled:rate=0.3,retry-after=1", seed=1)
    await room.enter(*USERS)
    (count,) = await room.happened()
    await all_are_members(room)
    adds = [status for user in USERS for status in await room.calls("PUT", user)]
    sends = await room.calls("POST")
    assert (adds.count(200), sends.count(202)) == (3, 3)
    assert adds.count(429) + sends.count(429) == count
    assert {429} <= set(adds) & set(sends)
    assert sum(room.record(user)["milliseconds"] for user in USERS) >= 1000 * count
    assert await room.heard() == TOLD_ONCE


async def test_failed_calls(room: Room) -> None:
    """Adds are tried again. A text is not: whose text got 500 is not told of, and recorded so."""
    await room.switch("rest-error:rate=0.4", seed=7)
    await room.enter(*USERS)
    await all_are_members(room)
    adds = [status for user in USERS for status in await room.calls("PUT", user)]
    sends = await room.calls("POST")
    assert adds.count(200) == len(sends) == 3
    assert 500 in adds
    assert set(sends) == {500, 202}
    told = [f"{user} joined" for user, status in zip(USERS, sends, strict=True) if status == 202]
    assert await room.heard() == told
    for user, status in zip(USERS, sends, strict=True):
        check_record(room.record(user), status, "answered 500 (Fault.rest-error)")


def check_record(record: dict[str, Any], sent: int, failure: str) -> None:
    """A send that got 202 is recorded so; another one with why it failed."""
    assert record["addStatus"] == 200
    if sent == 202:
        assert (record["sendStatus"], record.get("failure")) == (202, None)
    else:
        assert record["sendStatus"] is None
        assert failure in record["failure"]


async def test_calls_that_worked_and_failed(room: Room) -> None:
    """Everybody is told of once, though the app takes some of the texts for lost."""
    await room.switch("rest-error-after:rate=0.4", seed=1)
    await room.enter(*USERS)
    await all_are_members(room)
    sends = await room.calls("POST")
    assert set(sends) == {500, 202}
    assert await room.heard() == TOLD_ONCE
    for user, status in zip(USERS, sends, strict=True):
        check_record(room.record(user), status, "answered 500 (Fault.rest-error-after)")


async def test_calls_that_worked_and_were_unavailable(room: Room) -> None:
    """The app takes 503 for "did not act", and repeats a text that was heard."""
    await room.switch("rest-error-after:rate=0.4,status=503", seed=9)
    await room.enter(*USERS)
    await all_are_members(room)
    sends = await room.calls("POST")
    assert sends.count(202) == 3
    assert sends.count(503) > 0
    heard = await room.heard()
    assert len(heard) == len(sends)
    assert set(heard) == set(TOLD_ONCE)
    assert [room.record(user)["sendStatus"] for user in USERS] == [202] * 3


async def test_slow_calls(room: Room) -> None:
    """The app waits, and nothing is done twice."""
    await room.switch("rest-slow:ms=300")
    await room.enter(*USERS)
    await all_are_members(room)
    assert room.record("ana")["milliseconds"] >= 600
    assert await room.heard() == TOLD_ONCE


async def test_lost_events(room: Room) -> None:
    """Members by their token, of whom nobody is told; of their leaving everybody is."""
    await room.switch("event-lost:event=connected")
    await room.enter(*USERS)
    await all_are_members(room)
    assert (await room.settled("cy", "connected"))["failure"] == "fault event-lost"
    assert await room.heard() == []
    await room.go("cy")
    await room.settled("cy", "disconnected")
    assert await room.heard() == ["cy left"]


async def test_duplicated_events(room: Room) -> None:
    """Everybody is added twice and told of once: the app remembers what it has told."""
    await room.switch("event-duplicated:event=connected")
    await room.enter(*USERS)
    await all_are_members(room)
    assert await room.heard() == TOLD_ONCE
    assert await room.calls("PUT", "ana") == [200, 200]


async def test_delayed_events(room: Room) -> None:
    """All are told once, late. Who leaves before that is told of as leaving only."""
    await room.switch("event-delayed:ms=300,event=connected")
    await room.enter(*USERS)
    await all_are_members(room)
    assert await room.heard() == TOLD_ONCE
    await room.switch("event-delayed:ms=1000,event=connected")
    await room.come("dan")
    await room.go("dan")
    await room.settled("dan", "connected")
    await room.settled("dan", "disconnected")
    assert await room.heard() == ["dan left"]
    assert (room.record("dan")["failure"], room.record("dan")["addStatus"]) == ("gone", None)


async def test_reordered_events(room: Room) -> None:
    """A member of whom nobody is told while it is there, and then as leaving only."""
    await room.enter("ana")
    await room.switch("event-reordered:event=connected")
    await room.come("bo")
    assert await room.connections() == room.ids
    assert await room.heard() == ["ana joined"]
    await room.go("bo")
    await room.settled("bo", "connected")
    assert await room.heard() == ["bo left"]
    assert (room.record("bo")["failure"], room.record("bo")["addStatus"]) == ("gone", None)


async def test_a_cold_app(room: Room) -> None:
    """Clients wait for their connection; all are told once."""
    await room.switch("handler-slow:ms=300")
    await room.enter(*USERS)
    await all_are_members(room)
    assert await room.heard() == TOLD_ONCE


async def test_dropped_connections_that_recover(room: Room) -> None:
    """The official client comes back with the same connection, and nobody is told anything."""
    await room.switch("connection-dropped:ms=100")
    await room.enter(*USERS, protocol=WebPubSubProtocolType.JSON_RELIABLE)
    assert await room.happened() == [3]
    await room.switch()

    async def are_back() -> bool:
        # Twice: when they came, and when they recovered.
        return all(room.openings(user) == 2 for user in USERS)

    await until(are_back)
    await all_are_members(room)
    for user in USERS:
        assert await room.heard(user) == TOLD_ONCE[USERS.index(user) :]


async def test_dropped_connections_that_cannot_recover(room: Room) -> None:
    """The official client reconnects: its leaving and its coming are told, in this order."""
    await room.enter("ana")
    await room.enter("bo")
    first = room.ids["bo"]
    await room.control("POST", f"/connections/{first}/drop")
    await room.settled("bo", "disconnected")

    async def is_back() -> bool:
        room.ids["bo"] = (await room.connections()).get("bo", first)
        return room.ids["bo"] != first

    await until(is_back)
    await room.settled("bo", "connected")
    assert await room.heard() == ["ana joined", "bo joined", "bo left", "bo joined"]


@pytest.mark.parametrize("protocol", WebPubSubProtocolType)
async def test_a_restart(room: Room, protocol: WebPubSubProtocolType) -> None:
    """Clients reconnect through negotiate, are members again and told of; no leave is told."""
    await room.enter(*USERS, protocol=protocol)
    assert await room.heard() == TOLD_ONCE
    before = room.ids
    await room.control("POST", "/restart")

    async def are_back() -> bool:
        room.ids = await room.connections()
        return room.ids.keys() == before.keys()

    await until(are_back)
    assert not set(before.values()) & set(room.ids.values())
    for user in USERS:
        await room.settled(user, "connected")
        assert (room.record(user)["addStatus"], room.record(user)["sendStatus"]) == (200, 202)
    # Ana hears of those who come back after her, and of herself.
    heard = await room.heard()
    assert "ana joined" in heard
    assert Counter(heard) <= Counter(TOLD_ONCE)
