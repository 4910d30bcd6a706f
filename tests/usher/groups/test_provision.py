import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests import virtual_time
from tests.usher.groups.test_workflow import REFUSED, UNKNOWN, Recorder, answered
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
from usher.groups.workflow import RACE_SECONDS
from usher.service.tokens import ClientToken, TokenRequest

ASKED = ProvisionRequest("blue", "c-1", "hello", None, 5)
ROLES = ["webpubsub.sendToGroup.blue"]
BUSY = ThrottledError("answered 429", answered=429, code="Busy", retry_after=30)
ADDED, SENT = ("add", "blue", "c-1"), ("send", "blue", "hello")


class Service(Recorder):
    """Notes also which token was asked for, and whose connection."""

    async def generate_token(self, request: TokenRequest) -> ClientToken:
        self.request = request
        if self.failures["token"]:
            raise self.failures["token"].pop(0)
        return await super().generate_token(request)

    async def add_connection(
        self, group: str, connection_id: str, user_id: str | None = None
    ) -> int:
        self.owner = user_id
        return await super().add_connection(group, connection_id)


Failed = Callable[..., tuple[ServiceError, list[dict[str, Any]], float]]


@pytest.fixture
def fail(caplog: pytest.LogCaptureFixture) -> Failed:
    """Runs the workflow, which must fail; gives the error, the log records and the seconds."""

    def run(service: Service) -> tuple[ServiceError, list[dict[str, Any]], float]:
        async def failing() -> ServiceError:
            with pytest.raises(ServiceError) as caught:
                await provision(service, service, "chat", ASKED, ROLES)
            return caught.value

        with caplog.at_level(logging.INFO, "usher"):
            error, seconds = virtual_time.run(failing())
        records = [json.loads(r.getMessage()) | {"level": r.levelname} for r in caplog.records]
        return error, records, seconds

    return run


async def test_the_three_steps(caplog: pytest.LogCaptureFixture) -> None:
    """In order, once each; the outputs are the workflow's, and the record has no token."""
    service = Service()
    with caplog.at_level(logging.INFO, "usher"):
        answer = await provision(service, service, "chat", ASKED, ROLES)
    assert answer == {"token": "x", "addStatus": 200, "sendStatus": 202}
    assert service.calls == [ADDED, SENT]
    assert service.request == TokenRequest(None, ["blue"], ROLES, 5)
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


async def test_a_user_is_named_to_the_service() -> None:
    """For the token, and for the connection, which must be that user's."""
    service = Service()
    request = ProvisionRequest("blue", "c-1", "hello", "ana", 5)
    await provision(service, service, "chat", request, ROLES)
    assert (service.request.user_id, service.owner) == ("ana", "ana")


def test_no_token_no_more(fail: Failed) -> None:
    """The first step is not repeated, and the others are not begun."""
    service = Service(token=[answered(500)])
    error, (record,), _ = fail(service)
    assert (error.status, service.calls) == (502, [])
    assert error.members["step"] == "generateToken"
    assert error.members["done"] == []
    assert (record["addStatus"], record["sendStatus"], record["level"]) == (None, None, "ERROR")


def test_a_busy_service(fail: Failed) -> None:
    """Its own status, code and Retry-After are told; nothing was added."""
    error, (record,), seconds = fail(Service(add=[BUSY]))
    assert (error.status, error.headers["Retry-After"], seconds) == (429, "30", 0)
    assert error.members == {
        "step": "addConnection",
        "serviceStatus": 429,
        "serviceCode": "Busy",
        "done": ["generateToken"],
        "mayBeDone": False,
    }
    assert "429" in record["failure"]


def test_an_unknown_connection(fail: Failed) -> None:
    """Asked for again as in the race of a new one, then 404; no announcement."""
    service = Service(add=[UNKNOWN] * 100)
    error, (record,), seconds = fail(service)
    assert isinstance(error, UnknownConnectionError)
    assert (error.status, error.field, error.members["mayBeDone"]) == (404, "connectionId", False)
    assert RACE_SECONDS <= seconds < RACE_SECONDS + 2
    assert (service.count("send"), record["level"]) == (0, "INFO")


def test_a_failing_service(fail: Failed) -> None:
    """Adds are repeated to the end; each of them may have worked."""
    service = Service(add=[answered(500)] * 100)
    error, _, seconds = fail(service)
    assert (error.status, error.members["mayBeDone"]) == (502, True)
    assert service.count("add") > 5
    assert seconds <= EVENT_SECONDS


@pytest.mark.parametrize("first", [answered(500), UnansweredError("x")])
def test_an_earlier_failure_is_not_forgotten(fail: Failed, first: ServiceError) -> None:
    """The last answer says that nothing was done, but the one before may have done it."""
    error, _, _ = fail(Service(add=[first, BUSY]))
    assert (error.status, error.members["mayBeDone"]) == (429, True)


def test_a_text_that_was_not_sent(fail: Failed) -> None:
    """The connection is in the group, and the answer says so."""
    error, (record,), _ = fail(Service(send=[answered(400)]))
    assert (error.status, error.members["step"]) == (502, "announceJoin")
    assert error.members["done"] == ["generateToken", "addConnection"]
    assert error.members["mayBeDone"] is False
    assert (record["addStatus"], record["sendStatus"]) == (200, None)


@pytest.mark.parametrize("error", [answered(500), UnansweredError("x")])
def test_a_text_that_may_have_been_sent(fail: Failed, error: ServiceError) -> None:
    """It is not sent again, and the answer says that nobody knows."""
    service = Service(send=[error])
    failure, _, _ = fail(service)
    assert failure.members["mayBeDone"] is True
    assert service.count("send") == 1


def test_a_service_that_cannot_be_reached(fail: Failed) -> None:
    """504, and surely nothing was done."""
    refused = UnansweredError("refused", reached=False)
    error, _, _ = fail(Service(token=[refused]))
    assert (error.status, error.members["mayBeDone"]) == (504, False)
    assert REFUSED.may_have_acted is False


def test_a_service_that_never_answers(fail: Failed) -> None:
    """504 at the deadline, whatever the step."""

    class Silent(Service):
        async def generate_token(self, request: TokenRequest) -> ClientToken:
            import asyncio

            await asyncio.sleep(1000)
            return await super().generate_token(request)

    error, (record,), seconds = fail(Silent())
    assert isinstance(error, UnansweredError)
    assert (error.status, error.members["serviceStatus"], seconds) == (504, None, EVENT_SECONDS)
    assert "10 s" in record["failure"]


async def test_a_token_that_is_too_long() -> None:
    """The request is at fault, not the service; nothing was done."""
    service = Service()
    service.url = "x" * 5000
    with pytest.raises(TooLargeError):
        await provision(service, service, "chat", ASKED, ROLES)
    assert service.calls == []
