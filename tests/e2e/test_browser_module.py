"""web/usher.js in Node.js, against the whole stack."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from azure.messaging.webpubsubclient.models import WebPubSubDataType
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from tests.e2e.clients import new_room
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.room import Room
from tests.presence.node import Line, Member, member
from usher.groups.presence import checksum

pytestmark = pytest.mark.asyncio

type Enter = Callable[..., AbstractAsyncContextManager[Member]]

T0, T1, T2, T3 = (f"2026-11-26T12:00:0{second}Z" for second in range(4))
REMOVED = "urn:problem-type:usher:removed"
# How often a token was requested; without news of the room's users, the roster is requested, too.
NEGOTIATED = "requests.filter((url) => url.endsWith('/negotiate')).length"
PROBLEM = {"status": 403, "detail": "Not for ana.", "field": "group"}


@pytest.fixture(scope="module")
def room_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the stack with the control endpoint and without a rate limit."""
    log = tmp_path_factory.mktemp("room-stack") / "log"
    with run([*UP, "--control"], log, {"USHER_CALLER_LIMIT": "0"}) as running:
        yield running


@pytest.fixture(scope="module")
def grace_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a stack in the presence format in which a leave waits as long as possible."""
    settings = {"USHER_ANNOUNCEMENT_FORMAT": "presence", "USHER_LEAVE_GRACE_SECONDS": "10"}
    log = tmp_path_factory.mktemp("grace-stack") / "log"
    with run(UP, log, {**settings, "USHER_CALLER_LIMIT": "0"}) as running:
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
        folder.mkdir(exist_ok=True)
        host = room.stack.facts["host"]
        return member(folder, host, group=room.name, userId=user, **options)

    return enter


def answer(status: int, body: Any, **headers: str) -> dict[str, Any]:
    """Return an answer for a request of the member."""
    return {"status": status, "body": json.dumps(body), "headers": headers}


def open_service(room: Room) -> WebPubSubServiceClient:
    """Return a client of the service with the rights of an operator."""
    connection_string = room.stack.facts["connectionString"]
    return WebPubSubServiceClient.from_connection_string(connection_string, "chat")


def presence(room: Room, as_of: str, users: dict[str, int], *gone: str, **more: Any) -> Any:
    """Return a presence message of the room, without a checksum."""
    message = {
        "type": "presence",
        "group": room.name,
        "asOf": as_of,
        "users": users,
        "gone": [*gone],
    }
    rest = {"count": None, "checksum": None, "truncated": False, "snapshot": False}
    return message | rest | more


def listed(room: Room, as_of: str, users: dict[str, int]) -> Any:
    """Return a snapshot of the room with the checksum of these users."""
    facts = {"count": len(users), "checksum": checksum(users), "members": []}
    return presence(room, as_of, users, snapshot=True) | facts


async def publish(room: Room, *messages: Any) -> None:
    """Send messages to the group, as the app does."""
    async with open_service(room) as service:
        for message in messages:
            await service.send_to_group(room.name, message)


def is_presence(line: Line, as_of: str) -> bool:
    return line.get("event") == "presence" and line["details"][0]["asOf"] == as_of


def is_snapshot(line: Line) -> bool:
    return line.get("event") == "presence" and bool(line["details"][0]["snapshot"])


def is_entered(line: Line) -> bool:
    return "entered" in line


async def test_users_are_those_of_the_messages_and_oneself(enter: Enter, room: Room) -> None:
    """The first snapshot fills the room silently, and later messages are reported."""
    async with enter() as ana:
        assert await ana.expect(is_entered) == {"entered": "ana", "users": {"ana": 1}}
        await publish(room, presence(room, T0, {"bo": 1, "": 2}, snapshot=True))
        assert await ana.expect_event("users") == [{"": 2, "ana": 1, "bo": 1}]
        await publish(room, presence(room, T1, {"ana": 2, "cy": 1}), presence(room, T2, {}, "bo"))
        await ana.expect_event("joined", "cy")
        assert await ana.expect_event("users") == [{"": 2, "ana": 2, "bo": 1, "cy": 1}]
        await ana.expect_event("left", "bo")
        assert await ana.expect_event("users") == [{"": 2, "ana": 2, "cy": 1}]
        assert await ana.evaluate("room.users") == {"": 2, "ana": 2, "cy": 1}
        assert ana.events("joined", "left") == [["cy"], ["bo"]]


async def test_a_message_that_changes_nobody_is_no_event(enter: Enter, room: Room) -> None:
    """Neither is a malformed one, nor one about another group."""
    async with enter() as ana:
        await ana.expect(is_entered)
        first = presence(room, T0, {"ana": 1, "bo": 1}, snapshot=True)
        other = presence(room, T2, {"eve": 1}) | {"group": "attic"}
        await publish(room, first, first, presence(room, T1, {"eve": 0}), other, "the end")
        await ana.expect(lambda line: line.get("details", [{}])[0].get("data") == "the end")
        assert ana.events("joined", "left") == []
        assert ana.events("users") == [[{"ana": 1, "bo": 1}]]


async def test_a_member_cannot_send_presence(enter: Enter, room: Room) -> None:
    """With a sender, it is a message like any other."""
    await room.join("bo")
    async with enter() as ana:
        await ana.expect(is_entered)
        fake = presence(room, T0, {"eve": 1}, snapshot=True)
        await room.users["bo"].client.send_to_group(room.name, fake, WebPubSubDataType.JSON)

        def is_fake(line: Line) -> bool:
            return line.get("event") == "message" and line["details"][0]["userId"] == "bo"

        message = (await ana.expect(is_fake))["details"][0]
        assert (message["data"], message["dataType"]) == (fake, "json")
        assert await ana.evaluate("room.users") == {"ana": 1}


async def test_send_resolves_when_the_service_acknowledges(enter: Enter, room: Room) -> None:
    """It rejects when the service refuses. Text and JSON arrive as they were sent."""
    async with enter() as ana, enter("bo") as bo:
        await ana.expect(is_entered)
        await bo.expect(is_entered)
        for data in ("hello", {"text": "hello"}, ["a", 1, None], ""):
            assert await ana.evaluate(f"room.send({json.dumps(data)})") is None
            details = await hear(bo, "ana")
            assert details["data"] == data
        connection = (await room.members())["ana"]
        async with open_service(room) as service:
            await service.revoke_permission("sendToGroup", connection, target_name=room.name)
        refused = await ana.run("room.send('May I?')")
        assert "permission" in refused["error"]["message"]


async def hear(listener: Member, user: str) -> Any:
    """Return the next message of the user."""

    def is_wanted(line: Line) -> bool:
        return line.get("event") == "message" and line["details"][0].get("userId") == user

    return (await listener.expect(is_wanted))["details"][0]


async def test_a_dropped_connection_recovers_and_misses_nothing(enter: Enter, room: Room) -> None:
    """It needs no new token, and others do not notice it. What waits is sent afterwards."""
    async with enter() as ana, enter("bo") as bo:
        await ana.expect(is_entered)
        await bo.expect(is_entered)
        before = await room.members()
        await room.control("POST", f"/connections/{before['ana']}/drop")
        await ana.expect_event("state", "reconnecting")
        await ana.evaluate("void (room.waiting = room.send('I was away'))")
        await bo.evaluate("room.send('while you were away')")
        assert await ana.expect_event("state", "open") == ["open", {"isRecovered": True}]
        assert (await hear(ana, "bo"))["data"] == "while you were away"
        assert (await hear(bo, "ana"))["data"] == "I was away"
        assert await ana.evaluate("room.waiting") is None
        assert await room.members() == before
        assert await ana.evaluate(NEGOTIATED) == 1


async def test_a_message_is_heard_once_although_a_recovery_repeats_it(
    enter: Enter, room: Room
) -> None:
    async with enter() as ana:
        await ana.expect(is_entered)
        connection = (await room.members())["ana"]
        for number in range(5):
            await publish(room, f"message {number}")
            await ana.expect_data(f"message {number}")
            await room.control("POST", f"/connections/{connection}/drop")
            await ana.expect_event("state", "open")
        await publish(room, "the end")
        await ana.expect_data("the end")
        heard = [details[0]["data"] for details in ana.events("message")]
        heard.remove(f"ana joined {room.name}")  # at any place
        assert heard == [*(f"message {number}" for number in range(5)), "the end"]


async def test_after_a_restart_of_the_service_the_room_negotiates_again(
    enter: Enter, room: Room
) -> None:
    """The service refuses the recovery with 1008. Presence stays, and what waited is sent."""
    async with enter() as ana:
        await ana.expect(is_entered)
        await publish(room, presence(room, T0, {"ana": 1, "bo": 1, "cy": 1}, snapshot=True))
        await ana.expect_event("users")
        await room.control("POST", "/restart")
        await ana.expect_event("state", "reconnecting")
        await ana.evaluate("void (room.waiting = room.send('I was away'))")
        assert await ana.expect_event("state", "open") == ["open", {"isRecovered": False}]
        assert await ana.evaluate("room.waiting") is None
        waits = [details for details in ana.events("state") if "delay" in details[1]]
        assert len(waits) <= 3  # the loss and the refusal; one more on a slow machine
        assert await ana.evaluate(NEGOTIATED) == 2
        assert await ana.evaluate("room.users") == {"ana": 1, "bo": 1, "cy": 1}
        await publish(room, presence(room, T1, {"ana": 1, "bo": 1, "di": 1}, snapshot=True))
        await ana.expect_event("joined", "di")


async def test_a_connection_that_the_service_closes_is_not_recovered(
    enter: Enter, room: Room
) -> None:
    """The state has the reason, and a new token is requested."""
    async with enter() as ana:
        await ana.expect(is_entered)
        async with open_service(room) as service:
            await service.close_connection((await room.members())["ana"], reason="A break.")
        _, details = await ana.expect_event("state", "reconnecting")
        assert details["error"]["message"].endswith("A break.")
        await ana.expect_event("state", "open")
        assert await ana.evaluate(NEGOTIATED) == 2


async def test_a_refusal_ends_the_room_with_the_text_of_the_problem(
    enter: Enter, room: Room
) -> None:
    """The promise is rejected, the state is final, and nothing is requested again."""
    async with enter(answers=[answer(403, PROBLEM)]) as ana:
        failed = await ana.expect(lambda line: "failed" in line)
        error = failed["failed"]
        assert (error["message"], error["status"]) == ("Not for ana.", 403)
        assert error["problem"] == PROBLEM
        assert len(failed["requests"]) == 1
        states = [details[0] for details in ana.events("state")]
        assert states == ["connecting", "refused"]


async def test_a_refusal_after_a_lost_connection_is_a_state(enter: Enter, room: Room) -> None:
    async with enter(answers=[None, answer(401, {"detail": "Expired."})]) as ana:
        await ana.expect(is_entered)
        await room.control("POST", "/restart")
        _, details = await ana.expect_event("state", "refused")
        assert details["error"]["message"] == "Expired."
        assert "error" in await ana.run("room.send('hello')")


async def test_failures_are_retried_and_retry_after_is_honoured(enter: Enter, room: Room) -> None:
    """Each wait is known from the state. A body that is no JSON changes nothing."""
    answers = [
        answer(429, {"detail": "Too many of you."}, **{"Retry-After": "1"}),
        {"status": 503, "body": "<h1>Sorry</h1>"},
        {"status": 200, "body": "<h1>Sign in</h1>"},
    ]
    async with enter(answers=answers) as ana:
        await ana.expect(is_entered)
        waits = [details[1] for details in ana.events("state") if "delay" in details[1]]
        messages = [wait["error"]["message"] for wait in waits]
        assert messages == [
            "Too many of you.",
            "The status was 503.",
            "The status was 200.",
        ]
        assert 1000 <= waits[0]["delay"] <= 2000
        assert waits[1]["delay"] <= 2000
        assert waits[2]["delay"] <= 4000


async def test_a_room_that_is_left_is_left_at_once(enter: Enter, room: Room) -> None:
    """The close code 1000 ends the connection, which would otherwise wait 30 s for a recovery."""
    async with enter() as ana:
        await ana.expect(is_entered)
        await room.note_ids()
        await ana.evaluate("room.leave()")
        await ana.expect_event("state", "closed")
        await room.wait_for_event("ana", "disconnected")
        await ana.evaluate("room.leave()")
        assert "error" in await ana.run("room.send('hello')")
        assert [details[0] for details in ana.events("state")].count("closed") == 1


async def test_a_listener_that_throws_does_not_break_the_room(enter: Enter, room: Room) -> None:
    """Its error is reported, and the listeners after it are called."""
    async with enter() as ana:
        await ana.expect(is_entered)
        await ana.evaluate("void (room.heard = [])")
        await ana.evaluate("void room.on('users', () => { throw Error('Oops.'); })")
        await ana.evaluate("void (room.off = room.on('users', (users) => room.heard.push(users)))")
        await publish(room, presence(room, T0, {"bo": 1}, snapshot=True))
        await ana.expect(lambda line: line == {"unhandled": "Oops."})
        assert await ana.evaluate("room.heard") == [{"ana": 1, "bo": 1}]
        await ana.evaluate("room.off()")
        await publish(room, presence(room, T1, {"cy": 1}))
        await ana.expect_event("joined", "cy")
        assert await ana.evaluate("room.heard.length") == 1


async def test_messages_wait_in_a_queue_with_a_limit(enter: Enter, room: Room) -> None:
    """Beyond 100 they are refused, and those that waited are sent in order."""
    async with enter() as ana, enter("bo") as bo:
        await ana.expect(is_entered)
        await bo.expect(is_entered)
        connection = (await room.members())["ana"]
        await room.control("POST", f"/connections/{connection}/drop")
        await ana.expect_event("state", "reconnecting")
        code = "Promise.allSettled(Array.from({ length: 101 }, (_, n) => room.send(n)))"
        settled = await ana.evaluate(code)
        assert [one["status"] for one in settled] == ["fulfilled"] * 100 + ["rejected"]
        assert [(await hear(bo, "ana"))["data"] for _ in range(100)] == list(range(100))


async def test_the_roster_is_asked_once_when_the_list_differs(enter: Enter, room: Room) -> None:
    """A quiet room never asks."""
    users = {"ana": 1, "bo": 1}
    async with enter(rosters=[answer(200, listed(room, T3, users | {"cy": 1}))]) as ana:
        await ana.expect(is_entered)
        await publish(room, listed(room, T0, users))
        await ana.expect_event("users")
        behind = presence(room, T1, {"ana": 1}, count=3, checksum="ffffffff")
        await publish(room, behind, listed(room, T2, users))
        await ana.expect(lambda line: is_presence(line, T2))
        await publish(room, behind | {"asOf": T2}, behind | {"asOf": T2})
        await ana.expect_event("joined", "cy")
        urls = await ana.evaluate("requests")
        assert urls[1:] == [f"{room.stack.facts['host']}/api/groups/{room.name}/members?userId=ana"]


# Keeps the waits of timers that have not been cleared.
WATCH_TIMERS = """void ((set, clear) => {
  globalThis.planned = new Map();
  globalThis.setTimeout = (callback, ms) => {
    const timer = set(callback, ms);
    planned.set(timer, ms);
    return timer;
  };
  globalThis.clearTimeout = (timer) => clear(timer, planned.delete(timer));
})(setTimeout, clearTimeout)"""


async def test_a_message_that_matches_makes_the_question_needless(enter: Enter, room: Room) -> None:
    users = {"ana": 1, "bo": 1}
    planned = "[...planned.values()].filter((ms) => 3000 <= ms && ms <= 5000).length"
    async with enter() as ana:
        await ana.expect(is_entered)
        await ana.evaluate(WATCH_TIMERS.replace("\n", " "))
        await publish(room, listed(room, T0, users))
        await ana.expect(lambda line: is_presence(line, T0))
        assert await ana.evaluate(planned) == 0
        await publish(room, presence(room, T1, {"ana": 1}, count=3, checksum="ffffffff"))
        await ana.expect(lambda line: is_presence(line, T1))
        assert await ana.evaluate(planned) == 1
        await publish(room, listed(room, T2, users))
        await ana.expect(lambda line: is_presence(line, T2))
        assert await ana.evaluate(planned) == 0


async def test_without_a_snapshot_the_roster_is_asked_once(enter: Enter, room: Room) -> None:
    """As after a lost `connected` event."""
    roster = listed(room, T2, {"ana": 1, "bo": 1})
    async with enter(rosters=[answer(200, roster)]) as ana:
        await ana.expect(is_entered)
        assert await ana.expect_event("users") == [{"ana": 1, "bo": 1}]
        assert ana.events("joined") == []
        assert len(await ana.evaluate("requests")) == 2


async def test_who_is_missing_in_two_answers_has_left(enter: Enter, room: Room) -> None:
    """A snapshot alone removes nobody who is shown: the user may be about to return."""
    users = {"ana": 1, "bo": 1}
    rosters = [answer(200, listed(room, moment, users)) for moment in (T2, T3)]
    async with enter(rosters=rosters) as ana:
        await ana.expect(is_entered)
        await publish(room, listed(room, T0, users | {"cy": 1}), listed(room, T1, users))
        await ana.expect_event("left", "cy")
        assert await ana.evaluate("room.users") == users
        assert len(await ana.evaluate("requests")) == 3


# --- removals -------------------------------------------------------------------------------


async def remove(stack: Running, session: aiohttp.ClientSession, user: str, **more: Any) -> None:
    """Remove a user, as an operator does."""
    url = f"{stack.facts['host']}/api/removals"
    async with session.post(url, json={"userId": user, **more}) as response:
        assert response.status == 201, await response.text()


@pytest.mark.parametrize("is_hub", [True, False], ids=["hub", "group"])
@pytest.mark.parametrize("reason", ["spam: <b>&", ""], ids=["reason", "no-reason"])
async def test_who_is_removed_is_out(enter: Enter, room: Room, is_hub: bool, reason: str) -> None:
    """The state is final, with the reason. Nothing is requested again, and nobody gets in."""
    user, group = f"mallory-{room.name}", None if is_hub else room.name
    async with enter(user) as mallory:
        await mallory.expect(is_entered)
        await remove(room.stack, room.session, user, group=group, reason=reason)
        _, details = await mallory.expect_event("state", "refused")
        message = f"You were removed: {reason}" if reason else "You were removed"
        assert details["error"] == {"message": message, "reason": reason}
        assert user not in await room.members()
        assert "error" in await mallory.run("room.send('hello')")
        assert [details[0] for details in mallory.events("state")] == [
            *("connecting", "open", "refused")
        ]
        assert await mallory.evaluate(NEGOTIATED) == 1
    async with enter(user) as mallory:
        failed = await mallory.expect(lambda line: "failed" in line)
        error = failed["failed"]
        assert (error["status"], error["reason"]) == (403, reason)
        assert error["problem"].items() >= {"type": REMOVED, "group": group}.items()
        assert error["message"] == error["problem"]["detail"]
        assert len(failed["requests"]) == 1


async def test_nobody_else_can_remove_a_user(enter: Enter, room: Room) -> None:
    """Messages to the group are no removal, even without a sender; nor is another group's."""
    removal = {"type": "removed", "group": room.name, "reason": "spam"}
    await room.join("bo")
    async with enter() as ana:
        await ana.expect(is_entered)
        await room.users["bo"].client.send_to_group(room.name, removal, WebPubSubDataType.JSON)
        await ana.expect_data(removal)
        await publish(room, removal)
        await ana.expect_data(removal)
        other = removal | {"group": "attic"}
        async with open_service(room) as service:
            await service.send_to_connection((await room.members())["ana"], other)
        await ana.expect_data(other)
        assert await ana.evaluate("room.state") == "open"


@pytest.mark.parametrize("is_hub", [True, False], ids=["hub", "group"])
async def test_the_room_sees_at_once_that_a_user_was_removed(
    grace_stack: Running, tmp_path: Path, is_hub: bool
) -> None:
    """In the presence format the leave before it still waits for the grace."""
    group = new_room()
    user, host = f"mallory-{group}", grace_stack.facts["host"]
    async with AsyncExitStack() as stack:
        members = {}
        for name in ("bo", "cy", user):
            (tmp_path / name).mkdir()
            client = member(tmp_path / name, host, group=group, userId=name)
            members[name] = await stack.enter_async_context(client)
            await members[name].expect(is_snapshot)
        bo, cy, _ = members.values()
        await bo.expect_event("joined", user)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await cy.evaluate("room.leave()")
        await remove(grace_stack, session, user, group=None if is_hub else group)
        await bo.expect_event("left", "cy")
        assert bo.events("left") == [[user], ["cy"]]
        assert await bo.evaluate("room.users") == {"bo": 1}
