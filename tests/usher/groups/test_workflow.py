import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from tests import virtual_time
from usher.errors import ServiceError, TooLargeError, UnknownConnectionError
from usher.groups import workflow
from usher.groups.announcements import FORMATS, Body
from usher.groups.digest import Digest
from usher.groups.events import ConnectionEvent
from usher.groups.outcomes import EVENT_SECONDS
from usher.groups.workflow import Announcer
from usher.service.tokens import ClientToken, TokenRequest, generate_token

EVENT = ConnectionEvent("connected", "chat", "c-1", "ana", {})
TEXT = "{userId} joined {group}"
REFUSED = ServiceError("refused", reached=False)


UNKNOWN = UnknownConnectionError("answered 404", answered=404)


def answered(status: int, retry_after: float | None = None) -> ServiceError:
    return ServiceError(f"answered {status}", answered=status, retry_after=retry_after)


class Recorder:
    """A PubSub that records its calls. `failures` has the errors of each call, in order."""

    def __init__(self, **failures: list[ServiceError]) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.failures = defaultdict(list, failures)
        self.url = "wss://demo?access_token=x"

    async def generate_token(self, request: TokenRequest) -> ClientToken:
        return ClientToken(self.url, "wss://demo", "x", 0)

    async def add_connection(
        self, group: str, connection_id: str, user_id: str | None = None
    ) -> int:
        return self._answer("add", 200, group, connection_id)

    async def send_to_group(self, group: str, body: Body, content_type: str) -> int:
        text = body.decode() if isinstance(body, bytes) else json.dumps(body)
        return self._answer("send", 202, group, text)

    def _answer(self, call: str, status: int, *arguments: str) -> int:
        self.calls.append((call, *arguments))
        if self.failures[call]:
            raise self.failures[call].pop(0)
        return status

    def count(self, call: str) -> int:
        return len([made for made in self.calls if made[0] == call])


def announcer(
    pubsub: Recorder, text: str = TEXT, style: str = "text", above: int = 0, leave_text: str = ""
) -> Announcer:
    templates = {"connected": text, "disconnected": leave_text}
    return Announcer(pubsub, FORMATS[style], templates, Digest(above, seconds=1))


Act = Callable[..., Coroutine[Any, Any, None]]


@pytest.fixture
def act(caplog: pytest.LogCaptureFixture) -> Callable[..., tuple[list[dict[str, Any]], float]]:
    """Run join_groups or leave_groups; return the log records (with level) and the seconds."""

    def run(
        pubsub: Recorder, groups: list[str], text: str = TEXT, how: Act = workflow.join_groups
    ) -> tuple[list[dict[str, Any]], float]:
        with caplog.at_level(logging.INFO, "usher"):
            _, seconds = virtual_time.run(how(announcer(pubsub, text), EVENT, groups))
        records = [json.loads(r.getMessage()) | {"level": r.levelname} for r in caplog.records]
        return records, seconds

    return run


def test_join_adds_and_then_announces(act: Any) -> None:
    """In this order, each once; the record has both statuses."""
    pubsub = Recorder()
    (record,), _ = act(pubsub, ["lobby"])
    assert pubsub.calls == [("add", "lobby", "c-1"), ("send", "lobby", "ana joined lobby")]
    for name in ("addMilliseconds", "sendMilliseconds", "milliseconds"):
        assert record.pop(name) >= 0
    assert record == {
        "record": "join",
        "level": "INFO",
        "hub": "chat",
        "group": "lobby",
        "connectionId": "c-1",
        "userId": "ana",
        "retries": 0,
        "addStatus": 200,
        "sendStatus": 202,
        "announced": 1,
    }


def test_every_group_is_joined_and_recorded(act: Any) -> None:
    """A group that fails does not keep the others out."""
    pubsub = Recorder(add=[answered(400)])
    records, _ = act(pubsub, ["a", "b"])
    assert [(r["group"], r["addStatus"], r["sendStatus"]) for r in records] == [
        ("a", None, None),
        ("b", 200, 202),
    ]


def test_an_empty_text_is_no_announcement(act: Any) -> None:
    """The connection is added all the same."""
    pubsub = Recorder()
    (record,), _ = act(pubsub, ["lobby"], text="")
    assert pubsub.calls == [("add", "lobby", "c-1")]
    assert (record["addStatus"], record["sendStatus"]) == (200, None)


@pytest.mark.parametrize("error", [answered(408), answered(500), answered(503), ServiceError("x")])
async def test_announcements_in_json_are_tried_again(error: ServiceError) -> None:
    """After each failure that may pass, because who hears a double drops it by its id."""
    pubsub = Recorder(send=[error])
    await workflow.join_groups(announcer(pubsub, style="json"), EVENT, ["a"])
    first, second = [json.loads(call[2]) for call in pubsub.calls if call[0] == "send"]
    assert first["id"] == second["id"]


def test_a_crowd_is_added_at_once_and_told_as_one(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits to be added; each record says of how many its own message told."""
    pubsub = Recorder()
    crowd = announcer(pubsub, above=1)
    events = [replace(EVENT, connection_id=f"c-{n}", user_id=f"u{n}") for n in range(4)]

    async def join_all() -> None:
        joins = [workflow.join_groups(crowd, event, ["a"]) for event in events]
        await asyncio.gather(*joins)

    with caplog.at_level(logging.INFO, "usher"):
        _, seconds = virtual_time.run(join_all())
    assert seconds == 1
    assert [call[0] for call in pubsub.calls] == ["add", "send", "add", "add", "add", "send"]
    texts = [call[2] for call in pubsub.calls if call[0] == "send"]
    assert texts == ["u0 joined a", "u1, u2 and 1 other joined a"]
    records = [json.loads(record.getMessage()) for record in caplog.records]
    told = {r["userId"]: (r["addStatus"], r["sendStatus"], r["announced"]) for r in records}
    nothing = (200, None, 0)
    assert told == {"u0": (200, 202, 1), "u1": (200, 202, 3), "u2": nothing, "u3": nothing}


async def test_announcements_in_json() -> None:
    """The message of the event, in each of its groups."""
    pubsub = Recorder()
    subject = announcer(pubsub, style="json", leave_text="bye {userId}")
    await workflow.join_groups(subject, EVENT, ["a"])
    await workflow.leave_groups(subject, replace(EVENT, name="disconnected"), ["a"])
    joined, left = [json.loads(call[2]) for call in pubsub.calls if call[0] == "send"]
    assert (joined["type"], joined["text"], joined["group"]) == ("joined", "ana joined a", "a")
    assert (left["type"], left["text"]) == ("left", "bye ana")


@pytest.mark.parametrize(
    "error",
    [answered(408), answered(429), answered(500), answered(503), ServiceError("x"), REFUSED],
)
def test_adds_are_tried_again(act: Any, error: ServiceError) -> None:
    """After each failure that may pass, because adding twice does no harm."""
    pubsub = Recorder(add=[error])
    (record,), _ = act(pubsub, ["lobby"])
    assert (record["addStatus"], pubsub.count("add"), pubsub.count("send")) == (200, 2, 1)


@pytest.mark.parametrize("status", [400, 401, 403, 409])
def test_adds_that_cannot_succeed(act: Any, status: int) -> None:
    """One call, no announcement, an error record."""
    pubsub = Recorder(add=[answered(status)])
    (record,), _ = act(pubsub, ["lobby"])
    assert (pubsub.count("add"), pubsub.count("send"), record["level"]) == (1, 0, "ERROR")
    assert str(status) in record["failure"]


def test_a_connection_that_is_known_late(act: Any) -> None:
    """The service's race: 404 first, then 200."""
    pubsub = Recorder(add=[UNKNOWN] * 3)
    (record,), seconds = act(pubsub, ["lobby"])
    assert (record["addStatus"], record["sendStatus"]) == (200, 202)
    assert seconds < workflow.RACE_SECONDS


def test_a_connection_that_is_gone(act: Any) -> None:
    """404 for 2 s: no announcement, and no error, because nothing is wrong."""
    pubsub = Recorder(add=[UNKNOWN] * 100)
    (record,), seconds = act(pubsub, ["lobby"])
    assert (record["failure"], record["level"], pubsub.count("send")) == ("gone", "INFO", 0)
    assert workflow.RACE_SECONDS <= seconds < workflow.RACE_SECONDS + 2


@pytest.mark.parametrize("error", [answered(429), answered(503), REFUSED])
def test_sends_are_tried_again_where_nothing_was_sent(act: Any, error: ServiceError) -> None:
    """Once more is once in all."""
    pubsub = Recorder(send=[error])
    (record,), _ = act(pubsub, ["lobby"])
    assert (record["sendStatus"], pubsub.count("send")) == (202, 2)


@pytest.mark.parametrize("error", [answered(408), answered(500), answered(504), ServiceError("x")])
def test_sends_that_may_have_happened_are_not_repeated(act: Any, error: ServiceError) -> None:
    """The group would hear it twice."""
    pubsub = Recorder(send=[error])
    (record,), _ = act(pubsub, ["lobby"])
    assert (record["sendStatus"], pubsub.count("send"), record["level"]) == (None, 1, "ERROR")


def test_retry_after_is_honoured_within_the_deadline(act: Any) -> None:
    """4 s fit into an event's 10 s."""
    (record,), seconds = act(Recorder(add=[answered(429, retry_after=4)]), ["lobby"])
    assert (record["addStatus"], seconds) == (200, 4)


def test_one_deadline_for_the_whole_event(act: Any) -> None:
    """8 s for the add and another 8 s for the send do not fit; the send is given up at once."""
    pubsub = Recorder(add=[answered(429, retry_after=8)], send=[answered(429, retry_after=8)])
    (record,), seconds = act(pubsub, ["lobby"])
    assert (record["addStatus"], record["sendStatus"], seconds) == (200, None, 8)


def test_a_service_that_never_answers(act: Any) -> None:
    """The event ends at its deadline, with an error record."""

    class Silent(Recorder):
        async def add_connection(
            self, group: str, connection_id: str, user_id: str | None = None
        ) -> int:
            import asyncio

            await asyncio.sleep(1000)
            return 200

    (record,), seconds = act(Silent(), ["lobby"])
    assert (record["level"], seconds) == ("ERROR", EVENT_SECONDS)
    assert "10 s" in record["failure"]


def test_leave_announces_to_each_group(act: Any) -> None:
    """Nothing is removed: the service has done that."""
    pubsub = Recorder()
    records, _ = act(pubsub, ["a", "b"], "{userId} left {group}", workflow.leave_groups)
    assert pubsub.calls == [("send", "a", "ana left a"), ("send", "b", "ana left b")]
    assert [(r["record"], r["sendStatus"]) for r in records] == [("leave", 202), ("leave", 202)]


def test_a_leave_without_text_does_nothing(act: Any) -> None:
    """No call and no record."""
    pubsub = Recorder()
    assert act(pubsub, ["a"], "", workflow.leave_groups) == ([], 0)
    assert pubsub.calls == []


@pytest.mark.parametrize(
    ("user_id", "groups", "field"), [("u" * 50, ["g"], "userId"), ("u", ["g" * 20] * 9, "group")]
)
async def test_a_url_that_is_too_long(user_id: str, groups: list[str], field: str) -> None:
    """The problem names what makes it long."""
    pubsub = Recorder()
    pubsub.url = "x" * 4096
    request = TokenRequest(user_id, groups, [], 5)
    assert (await generate_token(pubsub, request)).url == pubsub.url
    pubsub.url += "x"
    with pytest.raises(TooLargeError) as caught:
        await generate_token(pubsub, request)
    assert caught.value.field == field
