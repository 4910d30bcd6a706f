import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests import virtual_time
from tests.usher.groups.recorder import UNKNOWN, Recorder, answered
from usher.errors import (
    ServiceError,
    ThrottledError,
    TooLargeError,
    UnansweredError,
    UnknownConnectionError,
)
from usher.groups.outcomes import EVENT_SECONDS
from usher.groups.provision import provision
from usher.groups.provision_request import ProvisionRequest
from usher.service.tokens import ClientToken, TokenRequest

REQUEST = ProvisionRequest("blue", "c-1", "hello", None, 5)
ROLES = ["webpubsub.sendToGroup.blue"]
BUSY = ThrottledError("answered 429", answered=429, code="Busy", retry_after=30)
ADDED, SENT = ("add", "blue", "c-1"), ("send", "blue", "hello")


type RunFailing = Callable[[Recorder], tuple[ServiceError, list[dict[str, Any]], float]]


@pytest.fixture
def fail(caplog: pytest.LogCaptureFixture) -> RunFailing:
    """Run the workflow, which must fail; return the error, the log records and the seconds."""

    def run(service: Recorder) -> tuple[ServiceError, list[dict[str, Any]], float]:
        async def failing() -> ServiceError:
            with pytest.raises(ServiceError) as caught:
                await provision(service, service, "chat", REQUEST, ROLES)
            return caught.value

        with caplog.at_level(logging.INFO, "usher"):
            error, seconds = virtual_time.run(failing())
        records = [json.loads(r.getMessage()) | {"level": r.levelname} for r in caplog.records]
        return error, records, seconds

    return run


async def test_the_three_steps(caplog: pytest.LogCaptureFixture) -> None:
    """Each runs once. The result has the workflow's outputs, and the log record has no token."""
    service = Recorder()
    with caplog.at_level(logging.INFO, "usher"):
        answer = await provision(service, service, "chat", REQUEST, ROLES)
    assert answer == {"token": "x", "addStatus": 200, "sendStatus": 202}
    assert service.calls == [ADDED, SENT]
    assert service.content_type == "text/plain"
    assert service.token_request == TokenRequest(None, ["blue"], ROLES, 5)
    (record,) = [json.loads(record.getMessage()) for record in caplog.records]
    assert record.pop("milliseconds") >= 0
    assert record == {
        "record": "provision",
        "hub": "chat",
        "group": "blue",
        "connectionId": "c-1",
        "userId": None,
        "addStatus": 200,
        "retries": 0,
        "sendStatus": 202,
    }


async def test_a_user_id_restricts_token_and_connection() -> None:
    """The token is for this user, and only a connection of this user is added."""
    service = Recorder()
    request = ProvisionRequest("blue", "c-1", "hello", "ana", 5)
    await provision(service, service, "chat", request, ROLES)
    assert service.token_request == TokenRequest("ana", ["blue"], ROLES, 5)
    assert service.user_id == "ana"


def test_without_a_token_no_further_step_is_run(fail: RunFailing) -> None:
    """The first step is not retried."""
    service = Recorder(token=[answered(500)])
    error, (record,), _ = fail(service)
    assert (error.status, service.calls) == (502, [])
    assert error.members["step"] == "generateToken"
    assert error.members["done"] == []
    assert (record["addStatus"], record["sendStatus"], record["level"]) == (None, None, "ERROR")


def test_a_busy_service(fail: RunFailing) -> None:
    """The caller gets the service's status, code and Retry-After. Nothing was added."""
    error, (record,), seconds = fail(Recorder(add=[BUSY]))
    assert (error.status, error.headers["Retry-After"], seconds) == (429, "30", 0)
    assert error.members == {
        "step": "addConnection",
        "serviceStatus": 429,
        "serviceCode": "Busy",
        "done": ["generateToken"],
        "mayBeDone": False,
    }
    assert "429" in record["failure"]


def test_an_unknown_connection(fail: RunFailing) -> None:
    """The add is retried for 2 s, because a new connection may be known late. Then it fails."""
    service = Recorder(add=[UNKNOWN] * 100)
    error, (record,), seconds = fail(service)
    assert isinstance(error, UnknownConnectionError)
    assert (error.status, error.field, error.members["mayBeDone"]) == (404, "connectionId", False)
    assert 2 <= seconds < 4
    assert (service.count("send"), record["level"]) == (0, "INFO")


def test_a_failing_service(fail: RunFailing) -> None:
    """The add is retried up to the deadline; each try may have taken effect."""
    service = Recorder(add=[answered(500)] * 100)
    error, _, seconds = fail(service)
    assert (error.status, error.members["mayBeDone"]) == (502, True)
    assert service.count("add") > 5
    assert seconds <= EVENT_SECONDS


@pytest.mark.parametrize("first", [answered(500), UnansweredError("x")])
def test_may_be_done_covers_all_tries(fail: RunFailing, first: ServiceError) -> None:
    """The last try had no effect, but the first may have taken effect."""
    error, _, _ = fail(Recorder(add=[first, BUSY]))
    assert (error.status, error.members["mayBeDone"]) == (429, True)


def test_a_text_that_was_not_sent(fail: RunFailing) -> None:
    """The error says that the connection is in the group."""
    error, (record,), _ = fail(Recorder(send=[answered(400)]))
    assert (error.status, error.members["step"]) == (502, "announceJoin")
    assert error.members["done"] == ["generateToken", "addConnection"]
    assert error.members["mayBeDone"] is False
    assert (record["addStatus"], record["sendStatus"]) == (200, None)


@pytest.mark.parametrize("error", [answered(500), UnansweredError("x")])
def test_a_text_that_may_have_been_sent(fail: RunFailing, error: ServiceError) -> None:
    """It is not sent again, and the error says that it may have been sent."""
    service = Recorder(send=[error])
    failure, _, _ = fail(service)
    assert failure.members["mayBeDone"] is True
    assert service.count("send") == 1


def test_a_service_that_cannot_be_reached(fail: RunFailing) -> None:
    """The call certainly had no effect."""
    refused = UnansweredError("refused", reached=False)
    error, _, _ = fail(Recorder(token=[refused]))
    assert (error.status, error.members["mayBeDone"]) == (504, False)


def test_a_service_that_never_answers(fail: RunFailing) -> None:
    """The step ends at the deadline, and may have taken effect."""

    class Silent(Recorder):
        async def generate_token(self, request: TokenRequest) -> ClientToken:
            await asyncio.sleep(1000)
            return await super().generate_token(request)

    error, (record,), seconds = fail(Silent())
    assert isinstance(error, UnansweredError)
    assert (error.status, error.members["serviceStatus"], seconds) == (504, None, EVENT_SECONDS)
    assert (error.members["step"], error.members["mayBeDone"]) == ("generateToken", True)
    assert "10 s" in record["failure"]


async def test_a_token_that_is_too_long() -> None:
    """The request is at fault, and not the service. No further step is run."""
    service = Recorder()
    service.url = "x" * 5000
    with pytest.raises(TooLargeError):
        await provision(service, service, "chat", REQUEST, ROLES)
    assert service.calls == []
