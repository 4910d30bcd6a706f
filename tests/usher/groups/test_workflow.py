import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests import virtual_time
from tests.usher.groups.recorder import REFUSED, UNKNOWN, Recorder, answered
from usher.errors import ServiceError
from usher.groups.announcements import FORMATS
from usher.groups.digest import Digest
from usher.groups.event_announcer import EventAnnouncer
from usher.groups.events import ConnectionEvent
from usher.groups.outcomes import EVENT_SECONDS
from usher.groups.workflow import join_groups, leave_groups

JOIN_EVENT = ConnectionEvent("connected", "chat", "c-1", "ana", {})
LEAVE_EVENT = replace(JOIN_EVENT, name="disconnected")
TEXT, LEAVE = "{userId} joined {group}", "{userId} left {group}"


def make_announcer(
    pubsub: Recorder, text: str = TEXT, form: str = "text", above: int = 0, leave_text: str = LEAVE
) -> EventAnnouncer:
    templates = {"connected": text, "disconnected": leave_text}
    return EventAnnouncer(pubsub, FORMATS[form], templates, Digest(above, seconds=1))


type RunJoin = Callable[..., tuple[list[dict[str, Any]], float]]


@pytest.fixture
def join(caplog: pytest.LogCaptureFixture) -> RunJoin:
    """Run join_groups; return the log records, each with its level, and the seconds."""

    def run(
        pubsub: Recorder, groups: Sequence[str] = ("lobby",), text: str = TEXT
    ) -> tuple[list[dict[str, Any]], float]:
        workflow = join_groups(pubsub, make_announcer(pubsub, text), JOIN_EVENT, groups)
        with caplog.at_level(logging.INFO, "usher"):
            _, seconds = virtual_time.run(workflow)
        return read_records(caplog), seconds

    return run


def read_records(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(r.getMessage()) | {"level": r.levelname} for r in caplog.records]


def test_join_adds_and_then_announces(join: RunJoin) -> None:
    """Each once; the record has both statuses."""
    pubsub = Recorder()
    (record,), _ = join(pubsub)
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


def test_every_group_is_joined_and_recorded(join: RunJoin) -> None:
    """A failure in one group does not affect the others."""
    pubsub = Recorder(add=[answered(400)])
    records, _ = join(pubsub, ["a", "b"])
    assert [(r["group"], r["addStatus"], r["sendStatus"]) for r in records] == [
        ("a", None, None),
        ("b", 200, 202),
    ]


def test_retries_are_counted_for_each_group(join: RunJoin) -> None:
    pubsub = Recorder(add=[answered(503)])
    records, _ = join(pubsub, ["a", "b"])
    assert {record["group"]: record["retries"] for record in records} == {"a": 1, "b": 0}


def test_without_a_join_text_the_connection_is_added_only(join: RunJoin) -> None:
    pubsub = Recorder()
    (record,), _ = join(pubsub, text="")
    assert pubsub.calls == [("add", "lobby", "c-1")]
    assert (record["addStatus"], record["sendStatus"]) == (200, None)
    assert "sendMilliseconds" not in record


@pytest.mark.parametrize("error", [answered(408), answered(500), answered(503), ServiceError("x")])
async def test_announcements_in_json_are_retried(error: ServiceError) -> None:
    """After each transient failure: receivers ignore a duplicate by its id."""
    pubsub = Recorder(send=[error])
    await join_groups(pubsub, make_announcer(pubsub, form="json"), JOIN_EVENT, ["a"])
    first, second = map(json.loads, pubsub.messages)
    assert first["id"] == second["id"]


def test_a_crowd_is_added_at_once_and_gets_one_summary(caplog: pytest.LogCaptureFixture) -> None:
    """Adding does not wait for the summary. Each record counts the joins in its own message."""
    pubsub = Recorder()
    announcer = make_announcer(pubsub, above=1)
    events = [replace(JOIN_EVENT, connection_id=f"c-{n}", user_id=f"u{n}") for n in range(4)]

    async def join_all() -> None:
        joins = [join_groups(pubsub, announcer, event, ["a"]) for event in events]
        await asyncio.gather(*joins)

    with caplog.at_level(logging.INFO, "usher"):
        _, seconds = virtual_time.run(join_all())
    assert seconds == 1
    assert [call[0] for call in pubsub.calls] == ["add", "send", "add", "add", "add", "send"]
    assert pubsub.messages == ["u0 joined a", "u1, u2 and 1 other joined a"]
    in_summary = (200, None, 0)
    assert {
        record["userId"]: (record["addStatus"], record["sendStatus"], record["announced"])
        for record in read_records(caplog)
    } == {"u0": (200, 202, 1), "u1": (200, 202, 3), "u2": in_summary, "u3": in_summary}


async def test_announcements_in_json() -> None:
    pubsub = Recorder()
    announcer = make_announcer(pubsub, form="json", leave_text="bye {userId}")
    await join_groups(pubsub, announcer, JOIN_EVENT, ["a"])
    await leave_groups(announcer, LEAVE_EVENT, ["a"])
    joined, left = map(json.loads, pubsub.messages)
    assert (joined["type"], joined["text"], joined["group"]) == ("joined", "ana joined a", "a")
    assert (left["type"], left["text"]) == ("left", "bye ana")


@pytest.mark.parametrize(
    ("form", "content_type"), [("text", "text/plain"), ("json", "application/json")]
)
async def test_messages_have_the_content_type_of_the_format(form: str, content_type: str) -> None:
    pubsub = Recorder()
    await join_groups(pubsub, make_announcer(pubsub, form=form), JOIN_EVENT, ["a"])
    assert pubsub.content_type == content_type


@pytest.mark.parametrize(
    "error",
    [answered(408), answered(429), answered(500), answered(503), ServiceError("x"), REFUSED],
)
def test_adds_are_retried(join: RunJoin, error: ServiceError) -> None:
    """After each transient failure: adding a connection twice is harmless."""
    pubsub = Recorder(add=[error])
    (record,), _ = join(pubsub)
    assert (record["addStatus"], pubsub.count("add"), pubsub.count("send")) == (200, 2, 1)
    assert record["retries"] == 1


@pytest.mark.parametrize("status", [400, 401, 403, 409])
def test_adds_that_cannot_succeed_are_not_retried(join: RunJoin, status: int) -> None:
    """There is no announcement, and the record is an error."""
    pubsub = Recorder(add=[answered(status)])
    (record,), _ = join(pubsub)
    assert (pubsub.count("add"), pubsub.count("send"), record["level"]) == (1, 0, "ERROR")
    assert str(status) in record["failure"]


def test_a_new_connection_that_the_service_knows_late(join: RunJoin) -> None:
    """The service answers 404 first, and then 200."""
    pubsub = Recorder(add=[UNKNOWN] * 3)
    (record,), seconds = join(pubsub)
    assert (record["addStatus"], record["sendStatus"]) == (200, 202)
    assert seconds < 2


def test_a_connection_that_is_gone(join: RunJoin) -> None:
    """404 for 2 s: the client has left, so there is no announcement and no error."""
    pubsub = Recorder(add=[UNKNOWN] * 100)
    (record,), seconds = join(pubsub)
    assert (record["failure"], record["level"], pubsub.count("send")) == ("gone", "INFO", 0)
    assert 2 <= seconds < 4


@pytest.mark.parametrize("error", [answered(429), answered(503), REFUSED])
def test_texts_are_retried_if_nothing_was_sent(join: RunJoin, error: ServiceError) -> None:
    pubsub = Recorder(send=[error])
    (record,), _ = join(pubsub)
    assert (record["sendStatus"], pubsub.count("send")) == (202, 2)


@pytest.mark.parametrize("error", [answered(408), answered(500), answered(504), ServiceError("x")])
def test_texts_that_may_have_been_sent_are_not_retried(join: RunJoin, error: ServiceError) -> None:
    """The group could receive a duplicate."""
    pubsub = Recorder(send=[error])
    (record,), _ = join(pubsub)
    assert (record["sendStatus"], pubsub.count("send"), record["level"]) == (None, 1, "ERROR")


def test_retry_after_is_honoured_within_the_deadline(join: RunJoin) -> None:
    """An event has 10 s."""
    (record,), seconds = join(Recorder(add=[answered(429, retry_after=4)]))
    assert (record["addStatus"], seconds) == (200, 4)


def test_one_deadline_for_the_whole_event(join: RunJoin) -> None:
    """After a wait of 8 s for the add, another 8 s for the send would pass the deadline."""
    pubsub = Recorder(add=[answered(429, retry_after=8)], send=[answered(429, retry_after=8)])
    (record,), seconds = join(pubsub)
    assert (record["addStatus"], record["sendStatus"], seconds) == (200, None, 8)


def test_a_service_that_never_answers(join: RunJoin) -> None:
    """The event ends at its deadline, with an error record."""

    class Silent(Recorder):
        async def add_connection(
            self, group: str, connection_id: str, user_id: str | None = None
        ) -> int:
            await asyncio.sleep(1000)
            return 200

    (record,), seconds = join(Silent())
    assert (record["level"], seconds) == ("ERROR", EVENT_SECONDS)
    assert "10 s" in record["failure"]


async def test_leave_announces_to_each_group(caplog: pytest.LogCaptureFixture) -> None:
    """The service has already removed the connection from its groups."""
    pubsub = Recorder()
    with caplog.at_level(logging.INFO, "usher"):
        await leave_groups(make_announcer(pubsub), LEAVE_EVENT, ["a", "b"])
    assert pubsub.calls == [("send", "a", "ana left a"), ("send", "b", "ana left b")]
    records = [(r["record"], r["group"], r["sendStatus"]) for r in read_records(caplog)]
    assert records == [("leave", "a", 202), ("leave", "b", 202)]


async def test_without_a_leave_text_a_leave_does_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """There is no call and no record."""
    pubsub = Recorder()
    with caplog.at_level(logging.INFO, "usher"):
        await leave_groups(make_announcer(pubsub, leave_text=""), LEAVE_EVENT, ["a"])
    assert (pubsub.calls, read_records(caplog)) == ([], [])


async def test_a_failed_leave_is_recorded_only(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can retry the event, so the error is not raised; other groups are not affected."""
    pubsub = Recorder(send=[answered(400)])
    with caplog.at_level(logging.INFO, "usher"):
        await leave_groups(make_announcer(pubsub), LEAVE_EVENT, ["a", "b"])
    records = [(r["sendStatus"], r["level"]) for r in read_records(caplog)]
    assert records == [(None, "ERROR"), (202, "INFO")]
