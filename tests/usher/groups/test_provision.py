import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests import virtual_time
from tests.usher.groups.recorder import UNKNOWN, Recorder, answered
from usher.errors import (
    KeyInUseError,
    KeyReusedError,
    ServiceError,
    StoreError,
    ThrottledError,
    TooLargeError,
    UnansweredError,
    UnknownConnectionError,
)
from usher.groups.idempotency import Calls
from usher.groups.outcomes import EVENT_SECONDS
from usher.groups.provision import Provisioner, provision
from usher.groups.provision_request import ProvisionRequest
from usher.service.tokens import ClientToken, TokenRequest
from usher.store.memory import MemoryStore

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


# --- repeated calls ----------------------------------------------------------------------

SCOPE = {"Idempotency-Scope": "instance"}
OUTPUTS = {"token": "x", "addStatus": 200, "sendStatus": 202}


def make_provisioner(service: Recorder) -> Provisioner:
    return Provisioner(service, service, Calls(MemoryStore(), "instance", "chat"), "chat")


async def test_without_a_key_every_call_announces() -> None:
    service = Recorder()
    provisioner = make_provisioner(service)
    for _ in range(2):
        assert await provisioner.run(REQUEST, ROLES, None) == (OUTPUTS, {})
    assert service.calls == [ADDED, SENT] * 2


async def test_a_repeated_call_announces_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It gets a new token, because no store keeps one, and leaves a record of its own."""
    service = Recorder()
    provisioner = make_provisioner(service)
    with caplog.at_level(logging.INFO, "usher"):
        for _ in range(3):
            assert await provisioner.run(REQUEST, ROLES, "k") == (OUTPUTS, SCOPE)
    assert service.calls == [ADDED, SENT]
    records = [json.loads(record.getMessage()) for record in caplog.records]
    assert [one["record"] for one in records] == ["provision", *["provision-repeated"] * 2]
    service.token_request = None
    await provisioner.run(REQUEST, ROLES, "k")
    assert service.token_request == TokenRequest(None, ["blue"], ROLES, 5)


async def test_another_request_with_the_key_has_no_effect() -> None:
    service = Recorder()
    provisioner = make_provisioner(service)
    await provisioner.run(REQUEST, ROLES, "k")
    with pytest.raises(KeyReusedError) as caught:
        await provisioner.run(replace(REQUEST, group="red"), ROLES, "k")
    assert (caught.value.status, dict(caught.value.headers)) == (422, SCOPE)
    assert service.calls == [ADDED, SENT]


async def test_a_call_during_the_first_one_has_no_effect() -> None:
    class Slow(Recorder):
        async def generate_token(self, request: TokenRequest) -> ClientToken:
            await asyncio.sleep(0)
            return await super().generate_token(request)

    service = Slow()
    provisioner = make_provisioner(service)
    results = await asyncio.gather(
        *(provisioner.run(REQUEST, ROLES, "k") for _ in range(3)), return_exceptions=True
    )
    refusals = [result for result in results if isinstance(result, KeyInUseError)]
    assert len(refusals) == 2
    assert all(one.headers == {"Retry-After": "1", **SCOPE} for one in refusals)
    assert service.calls == [ADDED, SENT]


@pytest.mark.parametrize(
    "failures",
    [
        {"token": [answered(500)]},
        {"add": [UNKNOWN] * 99},
        {"send": [ThrottledError("busy", answered=429, retry_after=30)]},
        {"send": [answered(400)]},
    ],
)
def test_after_a_failure_without_an_announcement_the_call_is_run_again(
    failures: dict[str, list[ServiceError]],
) -> None:
    """The announcement was certainly not sent."""
    service = Recorder(**failures)
    provisioner = make_provisioner(service)

    async def call_twice() -> None:
        with pytest.raises(ServiceError) as caught:
            await provisioner.run(REQUEST, ROLES, "k")
        assert caught.value.headers.items() >= SCOPE.items()
        service.failures.clear()
        assert await provisioner.run(REQUEST, ROLES, "k") == (OUTPUTS, SCOPE)

    virtual_time.run(call_twice())
    assert service.calls[-2:] == [ADDED, SENT]


@pytest.mark.parametrize("failure", [answered(500), UnansweredError("timeout")])
async def test_an_announcement_that_may_have_been_sent_is_not_sent_again(
    failure: ServiceError,
) -> None:
    """The repeated call fails as the first one did."""
    service = Recorder(send=[failure])
    provisioner = make_provisioner(service)
    errors = []
    for _ in range(2):
        with pytest.raises(type(failure)) as caught:
            await provisioner.run(REQUEST, ROLES, "k")
        errors.append(caught.value)
    first, repeated = errors
    for name in ("status", "kind", "detail", "members", "headers", "reason", "may_have_acted"):
        assert getattr(repeated, name) == getattr(first, name), name
    assert repeated.members["mayBeDone"]
    assert service.calls == [ADDED, SENT]


async def test_a_repeated_call_without_a_token_says_so() -> None:
    service = Recorder()
    provisioner = make_provisioner(service)
    await provisioner.run(REQUEST, ROLES, "k")
    service.failures["token"] = [answered(500)]
    with pytest.raises(ServiceError) as caught:
        await provisioner.run(REQUEST, ROLES, "k")
    assert caught.value.members["step"] == "generateToken"
    assert service.calls == [ADDED, SENT]


async def test_a_store_that_fails_after_the_announcement(caplog: pytest.LogCaptureFixture) -> None:
    """The steps are done, so the caller gets its answer, and the operator a record."""

    class Failing(MemoryStore):
        async def find(self, key: str) -> Any:
            if service.messages:
                raise StoreError("down")
            return await super().find(key)

    service = Recorder()
    provisioner = Provisioner(service, service, Calls(Failing(), "app", "chat"), "chat")
    outputs, headers = await provisioner.run(REQUEST, ROLES, "k")
    assert (outputs, headers) == (OUTPUTS, {"Idempotency-Scope": "app"})
    assert '"record": "store"' in caplog.text


async def test_a_store_that_does_not_answer_refuses_the_call() -> None:
    """Nothing is done, so the caller can try again."""

    class Down(MemoryStore):
        async def find(self, key: str) -> Any:
            raise StoreError("down")

    service = Recorder()
    provisioner = Provisioner(service, service, Calls(Down(), "app", "chat"), "chat")
    with pytest.raises(StoreError):
        await provisioner.run(REQUEST, ROLES, "k")
    assert service.calls == []
