import json
import logging
from typing import Any

import azure.functions as func
import pytest

from usher.errors import (
    BadEventError,
    BadRequestError,
    ForbiddenError,
    MethodError,
    ServiceError,
    SettingsError,
    ThrottledError,
    TooManyError,
    UnauthorizedError,
    UnknownConnectionError,
    UsherError,
)
from usher.responses import answer_json, answer_page, connect_answers, http_answers, notice_answers

REQUEST = func.HttpRequest("GET", "https://app.example/api/negotiate", body=b"")
SECRET = "an exception text that callers must not see"


async def answer_to(error: Exception) -> func.HttpResponse:
    @http_answers
    async def negotiate(_req: func.HttpRequest) -> func.HttpResponse:
        raise error

    return await negotiate(REQUEST)


async def refusal_of(error: Exception) -> dict[str, Any]:
    @connect_answers
    async def connect(_request: str) -> dict[str, Any]:
        raise error

    return await connect("")


def test_json() -> None:
    """Answers hold tokens, so nothing may keep them."""
    response = answer_json({"a": "ü"})
    assert json.loads(response.get_body()) == {"a": "ü"}
    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert response.headers["Cache-Control"] == "no-store"


def test_page() -> None:
    """The policy it was given, and headers that keep browsers from guessing and telling."""
    response = answer_page("<!doctype html>ü", "default-src 'none'")
    assert response.get_body().decode() == "<!doctype html>ü"
    assert (response.mimetype, response.charset) == ("text/html", "utf-8")
    assert dict(response.headers) == {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


async def test_a_problem_names_the_field() -> None:
    """RFC 9457 members, and one of our own."""
    response = await answer_to(BadRequestError("group must not be blank.", field="group"))
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    assert json.loads(response.get_body()) == {
        "type": "urn:problem-type:usher:bad-request",
        "title": "The request is not valid",
        "status": 400,
        "detail": "group must not be blank.",
        "field": "group",
    }


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (TooManyError(1.2), ("Retry-After", "2")),
        (MethodError("Use POST."), ("Allow", "POST")),
        (UnauthorizedError("Who?"), ("WWW-Authenticate", "Bearer")),
        (ThrottledError("x", answered=429, retry_after=0.5), ("Retry-After", "1")),
    ],
)
async def test_headers_that_a_status_takes(error: UsherError, header: tuple[str, str]) -> None:
    """Beside the one that keeps caches away."""
    response = await answer_to(error)
    assert response.status_code == error.status
    assert response.headers[header[0]] == header[1]
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_busy_service_that_does_not_say_how_long() -> None:
    """429 without a Retry-After of our invention."""
    response = await answer_to(ThrottledError("x", answered=429))
    assert (response.status_code, response.headers.get("Retry-After")) == (429, None)


async def test_an_error_s_own_members() -> None:
    """They stand beside those of every problem."""
    error = UnknownConnectionError("x", answered=404)
    error.members = {"step": "addConnection"}
    response = await answer_to(error)
    problem = json.loads(response.get_body())
    assert (response.status_code, problem["field"]) == (404, "connectionId")
    assert problem["step"] == "addConnection"


@pytest.mark.parametrize(
    ("error", "count"), [(ThrottledError("x"), 1), (UnknownConnectionError("x"), 0)]
)
async def test_the_operator_learns_of_a_busy_service(
    error: UsherError, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    """And not of a connection that somebody got wrong."""
    await answer_to(error)
    assert len(caplog.records) == count


async def test_the_service_s_failure_is_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Callers learn no class and no code of the inside."""
    response = await answer_to(ServiceError("ServiceRequestError", answered=None))
    assert response.status_code == 502
    assert b"ServiceRequestError" not in response.get_body()
    assert "ServiceRequestError" in caplog.text


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (UnauthorizedError("who?"), "WARNING"),
        (ForbiddenError("not you"), "WARNING"),
        (ServiceError("answered 500"), "ERROR"),
        (BadRequestError("what?"), None),
        (TooManyError(1), None),
    ],
)
async def test_refused_callers_are_in_the_log(
    caplog: pytest.LogCaptureFixture, error: UsherError, level: str | None
) -> None:
    """Who may not, and what failed; a request that is malformed is its sender's to mend."""
    await answer_to(error)
    found = [(record.levelname, json.loads(record.getMessage())) for record in caplog.records]
    status, reason = error.status, str(error)
    expected = {"record": "refusal", "function": "negotiate", "status": status, "reason": reason}
    assert found == ([(level, expected)] if level else [])


async def test_wrong_settings_are_named_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    """503 for the caller, every wrong key in one record for the operator."""
    problems = {"WebPubSubHub": "is required", "USHER_AUTH": "must be 'local'"}
    response = await answer_to(SettingsError(problems))
    assert response.status_code == 503
    assert b"WebPubSubHub" not in response.get_body()
    (record,) = caplog.records
    assert json.loads(record.getMessage())["problems"] == problems


async def test_unknown_errors_are_one_generic_500(caplog: pytest.LogCaptureFixture) -> None:
    """With a traceback in the log."""
    response = await answer_to(RuntimeError(SECRET))
    assert response.status_code == 500
    assert SECRET.encode() not in response.get_body()
    assert SECRET in caplog.text


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadEventError("no"), "unauthorized"),
        (SettingsError({}), "serverError"),
        (ServiceError("no"), "serverError"),
        (RuntimeError(SECRET), "serverError"),
    ],
)
async def test_connect_refuses_on_any_error(error: Exception, code: str) -> None:
    """A code and a text, without which the extension would let the client in or fail itself."""
    refusal = await refusal_of(error)
    assert refusal["code"] == code
    assert refusal["errorMessage"]
    assert SECRET not in refusal["errorMessage"]


@pytest.mark.parametrize("error", [BadEventError("no state"), RuntimeError("no state")])
async def test_notices_log_their_errors(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody reads their answer, so the log is the only place."""

    @notice_answers
    async def connected(_request: str) -> None:
        raise error

    await connected("")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "no state" in caplog.text


def family() -> list[type[UsherError]]:
    """Every error but those that share the kind of their parent."""
    children = [*UsherError.__subclasses__(), *ServiceError.__subclasses__()]
    return [UsherError, *children]


def test_every_error_has_a_kind_and_a_title_of_its_own() -> None:
    """A caller can tell them apart by the problem's type."""
    assert len({error.kind for error in family()}) == len(family())
    assert len({error.title for error in family()}) == len(family())
