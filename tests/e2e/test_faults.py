"""How the app's joins end under each fault, with the official client and real processes.

`TESTS` names the tests of each row of the table "Failures" in docs/announcements.md.

Most tests also check that all users are members: no fault can prevent it, because the service adds
a connection to the groups of its token.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from azure.messaging.webpubsubclient.models import WebPubSubProtocolType

from localdev.stack import ROOT
from tests.e2e.clients import negotiate
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.room import Room, wait_until
from webpubsub_emulator import FAULTS

USERS = ("ana", "bo", "cy")
JOINED = ["ana joined", "bo joined", "cy joined"]


# The tests of each row of the table.
TESTS = {
    "late-visibility": ["an_add_is_retried_until_the_connection_is_visible"],
    "stale-list": ["stale_lists_change_no_announcement"],
    "rest-throttled": [
        "throttled_calls_are_retried_after_the_retry_after_header",
        "a_fault_of_every_call_loses_the_announcement",
    ],
    "rest-error": [
        "a_failed_add_is_retried_and_a_failed_send_is_not",
        "a_send_that_got_503_is_retried",
        "a_fault_of_every_call_loses_the_announcement",
    ],
    "rest-error-after": [
        "a_fault_of_every_call_loses_the_announcement",
        "a_send_that_answered_500_but_worked_is_not_repeated",
        "a_send_that_answered_503_but_worked_is_repeated",
    ],
    "rest-forbidden": ["a_forbidden_add_is_not_retried_and_not_announced"],
    "rest-slow": ["slow_calls_are_not_repeated"],
    "event-lost": [
        "a_lost_connect_event_fails_the_client",
        "a_lost_connected_event_loses_the_announcement_of_the_join",
    ],
    "event-duplicated": ["a_duplicated_event_is_added_twice_and_announced_once"],
    "event-delayed": ["delayed_events_are_announced_late"],
    "event-reordered": ["after_reordered_events_only_the_leave_is_announced"],
    "handler-slow": ["each_join_is_announced_once_by_a_slow_app"],
    "connection-dropped": [
        "a_recovered_connection_is_not_announced_again",
        "a_dropped_connection_is_announced_as_a_leave_and_a_join",
    ],
    "a restart": ["after_a_restart_of_the_service_all_clients_join_again"],
}


def test_every_row_of_the_table_has_tests() -> None:
    """And the table has every fault of the emulator."""
    page = (ROOT / "docs" / "announcements.md").read_text("utf-8")
    table = page.partition("\n## Failures\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `?([a-z -]+?)`?(?: of the service .*?)? \|", table, re.MULTILINE)
    assert rows == ["fault", *TESTS]
    assert {*FAULTS} == {*TESTS} - {"a restart"}
    assert all(f"test_{name}" in globals() for names in TESTS.values() for name in names)


@pytest.fixture(scope="module")
def faulty_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a stack whose faults the tests can change."""
    with run([*UP, "--control"], tmp_path_factory.mktemp("faulty-stack") / "log") as running:
        yield running


@pytest.fixture
async def room(faulty_stack: Running) -> AsyncIterator[Room]:
    async with aiohttp.ClientSession() as session:
        subject = Room(faulty_stack, session)
        try:
            yield subject
        finally:
            await subject.close()


async def check_members(room: Room) -> None:
    assert await room.members() == room.ids
    assert tuple(room.ids) == USERS


async def test_an_add_is_retried_until_the_connection_is_visible(room: Room) -> None:
    # As long as the app retries (RACE_SECONDS): the first call and a retry may both be late.
    await room.set_faults("late-visibility:ms=2000")
    await room.join(*USERS)
    await check_members(room)
    for user in USERS:
        assert set(await room.call_statuses("PUT", user)) == {404, 200}
        assert (room.record(user)["addStatus"], room.record(user)["sendStatus"]) == (200, 202)
    assert await room.read_texts() == JOINED


async def test_stale_lists_change_no_announcement(room: Room) -> None:
    """The roster shows the group as it was before the joins, until the fault ends."""
    await room.set_faults("stale-list:ms=600000")
    await room.join(*USERS)
    await check_members(room)
    url = f"{room.stack.facts['host']}/api/groups/{room.name}/members"

    async def list_members() -> set[str]:
        async with room.session.get(url, params={"userId": "ana"}) as response:
            return {member["userId"] for member in (await response.json())["members"]}

    assert await list_members() == set()
    assert await room.count_faults() == [1]
    assert await room.read_texts() == JOINED
    assert await wait_until(list_members) == set(USERS)


async def test_throttled_calls_are_retried_after_the_retry_after_header(room: Room) -> None:
    """Adds and sends are retried alike, and each join is announced once."""
    await room.set_faults("rest-throttled:rate=0.3,retry-after=1", seed=1)
    await room.join(*USERS)
    (count,) = await room.count_faults()
    await check_members(room)
    adds = [status for user in USERS for status in await room.call_statuses("PUT", user)]
    sends = await room.call_statuses("POST")
    assert (adds.count(200), sends.count(202)) == (3, 3)
    assert adds.count(429) + sends.count(429) == count
    assert {429} <= set(adds) & set(sends)
    assert sum(room.record(user)["milliseconds"] for user in USERS) >= 1000 * count
    assert await room.read_texts() == JOINED


async def test_a_failed_add_is_retried_and_a_failed_send_is_not(room: Room) -> None:
    """A join whose send got 500 is not announced, and its log record says why."""
    await room.set_faults("rest-error:rate=0.4", seed=7)
    await room.join(*USERS)
    await check_members(room)
    adds = [status for user in USERS for status in await room.call_statuses("PUT", user)]
    sends = await room.call_statuses("POST")
    assert adds.count(200) == len(sends) == 3
    assert 500 in adds
    assert set(sends) == {500, 202}
    sent = [f"{user} joined" for user, status in zip(USERS, sends, strict=True) if status == 202]
    assert await room.read_texts() == sent
    for user, status in zip(USERS, sends, strict=True):
        check_record(room.record(user), status, "500 (Fault.rest-error)")


async def test_a_send_that_got_503_is_retried(room: Room) -> None:
    """With 503 the service surely did not act, so each join is announced once."""
    await room.set_faults("rest-error:rate=0.4,status=503", seed=7)
    await room.join(*USERS)
    await check_members(room)
    sends = await room.call_statuses("POST")
    assert (sends.count(202), set(sends)) == (3, {503, 202})
    assert await room.read_texts() == JOINED


def check_record(record: dict[str, Any], sent: int, failure: str) -> None:
    """Expect the status 202 of a send that worked, and the failure of another."""
    assert record["addStatus"] == 200
    if sent == 202:
        assert (record["sendStatus"], record.get("failure")) == (202, None)
    else:
        assert record["sendStatus"] is None
        assert failure in record["failure"]


async def test_a_send_that_answered_500_but_worked_is_not_repeated(room: Room) -> None:
    """Each join is announced once, although the app records some of the sends as failed."""
    await room.set_faults("rest-error-after:rate=0.4", seed=1)
    await room.join(*USERS)
    await check_members(room)
    sends = await room.call_statuses("POST")
    assert set(sends) == {500, 202}
    assert await room.read_texts() == JOINED
    for user, status in zip(USERS, sends, strict=True):
        check_record(room.record(user), status, "500 (Fault.rest-error-after)")


async def test_a_send_that_answered_503_but_worked_is_repeated(room: Room) -> None:
    """The app retries after 503, because a service that answers 503 normally did nothing."""
    await room.set_faults("rest-error-after:rate=0.4,status=503", seed=9)
    await room.join(*USERS)
    await check_members(room)
    sends = await room.call_statuses("POST")
    assert sends.count(202) == 3
    assert sends.count(503) > 0
    texts = await room.read_texts()
    assert len(texts) == len(sends)
    assert set(texts) == set(JOINED)
    assert [room.record(user)["sendStatus"] for user in USERS] == [202] * 3


@pytest.mark.parametrize(
    ("fault", "status"), [("rest-throttled", 429), ("rest-error", 500), ("rest-error-after", 500)]
)
async def test_a_fault_of_every_call_loses_the_announcement(
    room: Room, fault: str, status: int
) -> None:
    """At the rate 1 no add gets its 200, so nothing is sent. The user is a member by its token."""
    await room.join("ana")
    await room.set_faults(fault)
    await room.connect("bo")
    record = await asyncio.to_thread(room.record, "bo")  # the app retries for 10 s
    assert (record["addStatus"], record["sendStatus"]) == (None, None)
    failure = record["failure"]
    # On a busy machine, the end of the ten seconds may cut off the last try.
    assert f"{status} (Fault.{fault})" in failure or failure == "no result within 10 s"
    assert set(await room.call_statuses("PUT", "bo")) == {status}
    assert await room.members() == room.ids
    assert await room.read_texts() == ["ana joined"]


async def test_a_forbidden_add_is_not_retried_and_not_announced(room: Room) -> None:
    await room.join("ana")
    await room.set_faults("rest-forbidden")
    await room.join("bo")
    assert await room.call_statuses("PUT", "bo") == [403]
    assert (room.record("bo")["addStatus"], room.record("bo")["sendStatus"]) == (None, None)
    assert "403 (Fault.rest-forbidden)" in room.record("bo")["failure"]
    assert await room.members() == room.ids
    assert await room.read_texts() == ["ana joined"]


async def test_slow_calls_are_not_repeated(room: Room) -> None:
    await room.set_faults("rest-slow:ms=300")
    await room.join(*USERS)
    await check_members(room)
    assert room.record("ana")["milliseconds"] >= 600
    assert await room.read_texts() == JOINED


async def test_a_lost_connected_event_loses_the_announcement_of_the_join(room: Room) -> None:
    """The users are members by their tokens, and their leaves are announced."""
    await room.set_faults("event-lost:event=connected")
    await room.join(*USERS)
    await check_members(room)
    assert "event-lost" in (await room.wait_for_event("cy", "connected"))["failure"]
    assert await room.read_texts() == []
    await room.leave("cy")
    await room.wait_for_event("cy", "disconnected")
    assert await room.read_texts() == ["cy left"]


async def test_a_lost_connect_event_fails_the_client(room: Room) -> None:
    """The app never sees the client, so it is no member and nothing is announced."""
    await room.join("ana")
    await room.set_faults("event-lost")
    url = (await negotiate(room.stack.facts["host"], userId="bo", group=room.name))["url"]
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await room.session.ws_connect(url)
    assert caught.value.status == 500
    assert await room.members() == room.ids
    assert await room.read_texts() == ["ana joined"]


async def test_a_duplicated_event_is_added_twice_and_announced_once(room: Room) -> None:
    """The app remembers which joins it has announced."""
    await room.set_faults("event-duplicated:event=connected")
    await room.join(*USERS)
    await check_members(room)
    assert await room.read_texts() == JOINED
    assert await room.call_statuses("PUT", "ana") == [200, 200]


async def test_delayed_events_are_announced_late(room: Room) -> None:
    """If the user leaves before the event arrives, only the leave is announced."""
    await room.set_faults("event-delayed:ms=300,event=connected")
    await room.join(*USERS)
    await check_members(room)
    assert await room.read_texts() == JOINED
    await room.set_faults("event-delayed:ms=5000,event=connected")
    await room.connect("dan")
    await room.leave("dan")
    await room.wait_for_event("dan", "connected")
    await room.wait_for_event("dan", "disconnected")
    assert await room.read_texts() == ["dan left"]
    assert (room.record("dan")["failure"], room.record("dan")["addStatus"]) == ("gone", None)


async def test_after_reordered_events_only_the_leave_is_announced(room: Room) -> None:
    """The user is a member by its token, and its `connected` arrives after it has left."""
    await room.join("ana")
    await room.set_faults("event-reordered:event=connected")
    await room.connect("bo")
    assert await room.members() == room.ids
    assert await room.read_texts() == ["ana joined"]
    await room.leave("bo")
    await room.wait_for_event("bo", "connected")
    assert await room.read_texts() == ["bo left"]
    assert (room.record("bo")["failure"], room.record("bo")["addStatus"]) == ("gone", None)


async def test_each_join_is_announced_once_by_a_slow_app(room: Room) -> None:
    """Clients wait for their connection, as they do while an app starts."""
    await room.set_faults("handler-slow:ms=300")
    await room.join(*USERS)
    await check_members(room)
    assert await room.read_texts() == JOINED


async def test_a_recovered_connection_is_not_announced_again(room: Room) -> None:
    """The official client with the reliable protocol recovers the same connection."""
    await room.set_faults("connection-dropped:ms=100")
    await room.join(*USERS, protocol=WebPubSubProtocolType.JSON_RELIABLE)
    assert await room.count_faults() == [3]
    await room.set_faults()

    async def have_recovered() -> bool:
        # One socket for the first connection, and one for the recovery.
        return all(room.count_sockets(user) == 2 for user in USERS)

    await wait_until(have_recovered)
    await check_members(room)
    for user in USERS:
        assert await room.read_texts(user) == JOINED[USERS.index(user) :]


async def test_a_reconnection_is_announced_as_a_leave_and_a_join(room: Room) -> None:
    """Without the reliable protocol the official client gets a new connection."""
    await room.join("ana")
    await room.join("bo")
    first = room.ids["bo"]
    await room.control("POST", f"/connections/{first}/drop")
    await room.wait_for_event("bo", "disconnected")

    async def has_reconnected() -> bool:
        room.ids["bo"] = (await room.members()).get("bo", first)
        return room.ids["bo"] != first

    await wait_until(has_reconnected)
    await room.wait_for_event("bo", "connected")
    assert await room.read_texts() == ["ana joined", "bo joined", "bo left", "bo joined"]


async def test_a_dropped_connection_is_announced_as_a_leave_and_a_join(room: Room) -> None:
    """As the test before, with the fault itself."""
    await room.join("ana")
    await room.set_faults("connection-dropped:ms=500")
    await room.join("bo")
    first = room.ids["bo"]
    await room.wait_for_event("bo", "disconnected")
    await room.set_faults()

    async def is_back() -> bool:
        room.ids["bo"] = (await room.members()).get("bo", first)
        return room.ids["bo"] != first

    await wait_until(is_back)
    await room.wait_for_event("bo", "connected")
    # The second socket may have been dropped, too, if it opened before the fault was removed.
    texts = await room.read_texts()
    assert texts[:4] == ["ana joined", "bo joined", "bo left", "bo joined"]


@pytest.mark.parametrize("protocol", WebPubSubProtocolType)
async def test_after_a_restart_of_the_service_all_clients_join_again(
    room: Room, protocol: WebPubSubProtocolType
) -> None:
    """Clients reconnect through negotiate. The joins are announced, the leaves are not."""
    await room.join(*USERS, protocol=protocol)
    assert await room.read_texts() == JOINED
    before = room.ids
    await room.control("POST", "/restart")

    async def have_reconnected() -> bool:
        room.ids = await room.members()
        return room.ids.keys() == before.keys()

    await wait_until(have_reconnected)
    assert not set(before.values()) & set(room.ids.values())
    for user in USERS:
        await room.wait_for_event(user, "connected")
        assert (room.record(user)["addStatus"], room.record(user)["sendStatus"]) == (200, 202)
    # Ana receives only the joins that come after her own, and her own.
    texts = await room.read_texts()
    assert "ana joined" in texts
    assert Counter(texts) <= Counter(JOINED)
