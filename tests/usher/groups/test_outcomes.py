import json
from typing import Any

import pytest

from usher.errors import ServiceError, ThrottledError, TooLargeError, UnknownConnectionError
from usher.groups import outcomes
from usher.groups.outcomes import Outcome, Step
from usher.groups.retries import RetryBudget


class Clock:
    """A clock that only the test advances."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(outcomes, "time", clock)
    return clock


def make_outcome(record: str, **changes: Any) -> Outcome:
    return Outcome(record, "chat", "lobby", "c-1", "ana", RetryBudget(10), **changes)


def read_record(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Return the only log record, with its level."""
    (record,) = caplog.records
    fields: dict[str, Any] = json.loads(record.getMessage())
    return fields | {"level": record.levelname}


def test_the_record_of_a_join(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    add = Step()
    outcome = make_outcome("join", add=add)
    with caplog.at_level("INFO", "usher"), outcome.recorded():
        clock.now += 0.001
        with add.timed():
            clock.now += 0.25
            add.status = 200
        outcome.budget.retries = 2
        outcome.announced = 3
        with outcome.send.timed():
            clock.now += 0.0306
            outcome.send.status = 202
    assert read_record(caplog) == {
        "record": "join",
        "level": "INFO",
        "hub": "chat",
        "group": "lobby",
        "connectionId": "c-1",
        "userId": "ana",
        "retries": 2,
        "addStatus": 200,
        "addMilliseconds": 250,
        "announced": 3,
        "sendStatus": 202,
        "sendMilliseconds": 31,
        "milliseconds": 282,
    }


def test_the_record_of_a_leave_has_no_add_status(caplog: pytest.LogCaptureFixture) -> None:
    outcome = make_outcome("leave")
    with caplog.at_level("INFO", "usher"), outcome.recorded():
        outcome.announced = 0
    assert read_record(caplog) == {
        "record": "leave",
        "level": "INFO",
        "hub": "chat",
        "group": "lobby",
        "connectionId": "c-1",
        "userId": "ana",
        "retries": 0,
        "announced": 0,
        "sendStatus": None,
        "milliseconds": 0,
    }


def test_the_record_of_a_presence_message_counts_the_calls(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcome = make_outcome("leave")
    with caplog.at_level("INFO", "usher"), outcome.recorded():
        outcome.lists, outcome.messages = 2, 1
    record = read_record(caplog)
    assert [record[name] for name in ("lists", "messages", "snapshots")] == [2, 1, 0]


def test_the_record_of_a_provision_has_one_duration(caplog: pytest.LogCaptureFixture) -> None:
    """Its steps are not timed, and it counts no announcements."""
    outcome = make_outcome("provision", add=Step(status=200), send=Step(status=202))
    with caplog.at_level("INFO", "usher"), outcome.recorded():
        pass
    assert read_record(caplog) == {
        "record": "provision",
        "level": "INFO",
        "hub": "chat",
        "group": "lobby",
        "connectionId": "c-1",
        "userId": "ana",
        "retries": 0,
        "addStatus": 200,
        "sendStatus": 202,
        "milliseconds": 0,
    }


@pytest.mark.parametrize(
    ("error", "level", "failure"),
    [
        (ServiceError("answered 500", answered=500), "ERROR", "Web PubSub: answered 500."),
        (ThrottledError("answered 429", answered=429), "ERROR", "Web PubSub: answered 429."),
        (UnknownConnectionError("answered 404", answered=404), "INFO", "gone"),
        (TimeoutError(), "ERROR", "no result within 10 s"),
    ],
)
def test_a_failure_is_recorded_and_raised(
    error: Exception, level: str, failure: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The record has the steps so far, and the time up to the failure."""
    add = Step()

    def fail() -> None:
        with make_outcome("join", add=add).recorded(), add.timed():
            clock.now += 2
            raise error

    with caplog.at_level("INFO", "usher"), pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert read_record(caplog) == {
        "record": "join",
        "level": level,
        "hub": "chat",
        "group": "lobby",
        "connectionId": "c-1",
        "userId": "ana",
        "retries": 0,
        "addStatus": None,
        "addMilliseconds": 2000,
        "sendStatus": None,
        "milliseconds": 2000,
        "failure": failure,
    }


@pytest.mark.parametrize("error", [TooLargeError("too long"), ValueError("a bug")])
def test_other_errors_have_no_record(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """They are no outcome of a call of Web PubSub; the function that fails logs them."""
    with (
        caplog.at_level("INFO", "usher"),
        pytest.raises(type(error)),
        make_outcome("provision").recorded(),
    ):
        raise error
    assert not caplog.records
