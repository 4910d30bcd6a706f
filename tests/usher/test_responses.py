import asyncio
import json
import logging
import re
from typing import Any

import azure.functions as func
import pytest

from usher.errors import (
    BadEventError,
    BadRequestError,
    ForbiddenError,
    ForeignOriginError,
    MethodError,
    ServiceError,
    SettingsError,
    ThrottledError,
    TooManyError,
    UnauthorizedError,
    UnknownConnectionError,
    UsherError,
)
from usher.logs import note
from usher.responses import (
    answer_json,
    answer_page,
    answer_yaml,
    connect_answers,
    http_answers,
    notice_answers,
)

VISIT_ID = "0af7651916cd43dd8448eb211c80319c"
REQUEST = func.HttpRequest(
    "GET",
    "https://app.example/api/negotiate",
    headers={"traceparent": f"00-{VISIT_ID}-b7ad6b7169203331-01"},
    body=b"",
)
SECRET = "an exception text that callers must not see"


async def answer_to(error: Exception, request: func.HttpRequest = REQUEST) -> func.HttpResponse:
    @http_answers
    async def negotiate(req: func.HttpRequest) -> func.HttpResponse:
        raise error

    return await negotiate(request)


async def refusal_of(error: Exception) -> dict[str, Any]:
    @connect_answers
    async def connect(request: str) -> dict[str, Any]:
        raise error

    return await connect("")


def test_a_json_response_must_not_be_stored() -> None:
    """It may have a token."""
    response = answer_json({"a": "ü"})
    assert json.loads(response.get_body()) == {"a": "ü"}
    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert response.headers["Cache-Control"] == "no-store"


def test_a_page_has_the_given_policy_and_security_headers() -> None:
    """Browsers must not guess the media type and not send the URL to other sites."""
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
    """The other members are defined in RFC 9457."""
    response = await answer_to(BadRequestError("group must not be blank.", field="group"))
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    assert json.loads(response.get_body()) == {
        "type": "urn:problem-type:usher:bad-request",
        "title": BadRequestError.title,
        "status": 400,
        "detail": "group must not be blank.",
        "instance": f"urn:usher:visit:{VISIT_ID}",
        "field": "group",
    }


async def test_each_request_has_a_visit_of_its_own() -> None:
    """Without a `traceparent` it is random."""
    problems = []
    for headers in ({}, {}, {"TraceParent": "00-nonsense"}):
        request = func.HttpRequest("GET", "https://app.example/", headers=headers, body=b"")
        problem = json.loads((await answer_to(BadRequestError("no"), request)).get_body())
        problems.append(problem["instance"].removeprefix("urn:usher:visit:"))
    assert all(re.fullmatch("[0-9a-f]{32}", visit) for visit in problems)
    assert len({*problems}) == 3


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (TooManyError(1.2), ("Retry-After", "2")),
        (MethodError("Use POST."), ("Allow", "POST")),
        (UnauthorizedError("Who?"), ("WWW-Authenticate", "Bearer")),
        (ThrottledError("x", answered=429, retry_after=0.5), ("Retry-After", "1")),
    ],
)
async def test_a_problem_has_the_header_that_its_status_requires(
    error: UsherError, header: tuple[str, str]
) -> None:
    """No cache may store it."""
    response = await answer_to(error)
    assert response.status_code == error.status
    assert response.headers[header[0]] == header[1]
    assert response.headers["Cache-Control"] == "no-store"


async def test_browsers_must_not_guess_the_type_of_any_response() -> None:
    """Fetch standard, "X-Content-Type-Options"."""
    for response in (
        answer_json({}),
        answer_yaml("a: 1"),
        answer_page("<!doctype html>", "default-src 'none'"),
        await answer_to(BadRequestError("no")),
        await answer_to(ValueError(SECRET)),
    ):
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_without_a_retry_after_of_the_service_a_problem_has_none() -> None:
    response = await answer_to(ThrottledError("x", answered=429))
    assert (response.status_code, response.headers.get("Retry-After")) == (429, None)


async def test_a_problem_has_the_members_of_its_error() -> None:
    """They are added to the members of every problem."""
    error = UnknownConnectionError("x", answered=404)
    error.members = {"step": "addConnection"}
    response = await answer_to(error)
    problem = json.loads(response.get_body())
    assert (response.status_code, problem["field"]) == (404, "connectionId")
    assert problem["step"] == "addConnection"


@pytest.mark.parametrize(
    ("error", "count"), [(ThrottledError("x"), 1), (UnknownConnectionError("x"), 0)]
)
async def test_throttling_is_logged_and_an_unknown_connection_is_not(
    error: UsherError, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator can act on throttling. An unknown connection is a mistake of the caller."""
    await answer_to(error)
    assert len(caplog.records) == count


async def test_a_failure_of_the_service_is_explained_only_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The caller gets no internal class name and no code."""
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
async def test_refusals_and_failures_are_logged(
    caplog: pytest.LogCaptureFixture, error: UsherError, level: str | None
) -> None:
    """A malformed request is not logged, because only its sender can correct it."""
    await answer_to(error)
    found = [(record.levelname, json.loads(record.getMessage())) for record in caplog.records]
    status, reason = error.status, str(error)
    expected = {
        **{"record": "refusal", "visit": VISIT_ID, "function": "negotiate"},
        **{"status": status, "reason": reason},
    }
    assert found == ([(level, expected)] if level else [])


async def test_a_refusal_has_the_facts_of_its_request(caplog: pytest.LogCaptureFixture) -> None:
    """The ones that were known by then, and none of another request of the process."""

    @http_answers
    async def negotiate(req: func.HttpRequest) -> func.HttpResponse:
        note("userId", "ana")
        note("address", "a1")
        await asyncio.sleep(0)
        note("groups", ["vault"])
        raise ForbiddenError("not you")

    await asyncio.gather(negotiate(REQUEST), answer_to(UnauthorizedError("who?")))
    known, unknown = (json.loads(record.getMessage()) for record in reversed(caplog.records))
    assert known == {
        **{"record": "refusal", "visit": VISIT_ID, "function": "negotiate"},
        **{"status": 403, "reason": "not you"},
        **{"userId": "ana", "groups": ["vault"], "address": "a1"},
    }
    assert unknown.keys() == {"record", "visit", "function", "status", "reason"}
    await answer_to(ForbiddenError("not you"))
    assert "userId" not in json.loads(caplog.records[-1].getMessage())


async def test_a_foreign_page_is_no_error_of_the_app(caplog: pytest.LogCaptureFixture) -> None:
    """Anybody can open a page, so its origin must not fire an alert."""
    assert (await refusal_of(ForeignOriginError("no")))["code"] == "unauthorized"
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_wrong_settings_are_named_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets 503, and one log record names all wrong keys."""
    problems = {"WebPubSubHub": "is required", "USHER_AUTH": "must be 'local'"}
    response = await answer_to(SettingsError(problems))
    assert response.status_code == 503
    assert b"WebPubSubHub" not in response.get_body()
    (record,) = caplog.records
    assert json.loads(record.getMessage())["problems"] == problems


async def test_unknown_errors_are_one_generic_500(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the traceback."""
    response = await answer_to(RuntimeError(SECRET))
    assert response.status_code == 500
    assert SECRET.encode() not in response.get_body()
    assert SECRET in caplog.text


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadEventError("no"), "unauthorized"),
        (TooManyError(1), "userError"),  # the extension has no code for 429
        (SettingsError({}), "serverError"),
        (ServiceError("no"), "serverError"),
        (RuntimeError(SECRET), "serverError"),
    ],
)
async def test_connect_refuses_the_client_after_any_error(error: Exception, code: str) -> None:
    """Without a code and a text the extension would admit the client, or fail itself."""
    refusal = await refusal_of(error)
    assert refusal["code"] == code
    assert refusal["errorMessage"]
    assert SECRET not in refusal["errorMessage"]


@pytest.mark.parametrize("error", [BadEventError("no state"), RuntimeError("no state")])
async def test_errors_of_notices_are_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The service ignores the response to a notice."""

    @notice_answers
    async def connected(request: str) -> None:
        raise error

    await connected("")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "no state" in caplog.text


def error_classes() -> list[type[UsherError]]:
    """Return every error class with a kind of its own."""
    classes: list[type[UsherError]] = [UsherError]
    for error in classes:
        classes.extend(error.__subclasses__())
    return [error for error in classes if error.kind != getattr(error.__base__, "kind", "")]


def test_every_error_has_its_own_kind_and_title() -> None:
    """A caller can distinguish them by the type of the problem."""
    errors = error_classes()
    assert len({error.kind for error in errors}) == len(errors)
    assert len({error.title for error in errors}) == len(errors)
