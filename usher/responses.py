"""Answers of every kind of function, and the one place where errors become answers."""

import functools
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import azure.functions as func

from usher.errors import (
    BadEventError,
    ForbiddenError,
    SettingsError,
    ThrottledError,
    UnauthorizedError,
    UsherError,
)
from usher.logs import log_record, logger

type HttpHandler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]
type ConnectHandler = Callable[[str], Awaitable[dict[str, Any]]]
type NoticeHandler = Callable[[str], Awaitable[None]]

# What the log tells of beside every failure; the host logs the status of each request anyway.
REFUSALS = (BadEventError, ThrottledError, UnauthorizedError, ForbiddenError)
NO_STORE = {"Cache-Control": "no-store"}


def answer_json(body: Mapping[str, Any]) -> func.HttpResponse:
    """200 with a JSON body that no cache may keep."""
    return func.HttpResponse(json.dumps(body), mimetype="application/json", headers=NO_STORE)


def answer_yaml(document: str) -> func.HttpResponse:
    """200 with a document that is the same for everybody (media type: RFC 9512)."""
    return func.HttpResponse(document, mimetype="application/yaml")


def answer_page(html: str, policy: str) -> func.HttpResponse:
    """200 with a page that may do what its Content-Security-Policy says, and nothing else."""
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return func.HttpResponse(html, mimetype="text/html", headers=NO_STORE | headers)


def answer_problem(error: UsherError) -> func.HttpResponse:
    """`application/problem+json` (RFC 9457); `field` and the error's own are extension members."""
    problem: dict[str, Any] = {
        "type": f"urn:problem-type:usher:{error.kind}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
    }
    return func.HttpResponse(
        json.dumps(problem | ({"field": error.field} if error.field else {}) | dict(error.members)),
        status_code=error.status,
        mimetype="application/problem+json",
        headers={**NO_STORE, **error.headers},
    )


def http_answers(handler: HttpHandler) -> HttpHandler:
    """Errors of an HTTP function become problems."""

    @functools.wraps(handler)
    async def answer(req: func.HttpRequest) -> func.HttpResponse:
        try:
            return await handler(req)
        except Exception as error:
            return answer_problem(_log_error(handler.__name__, error))

    return answer


def connect_answers(handler: ConnectHandler) -> ConnectHandler:
    """Errors of a `connect` function refuse the client: an exception would hang its handshake.

    Web PubSub extension, `EventErrorResponse`: the code gives the status (401 or 500), and both
    keys must be there.
    """

    @functools.wraps(handler)
    async def answer(request: str) -> dict[str, Any]:
        try:
            return await handler(request)
        except Exception as error:
            problem = _log_error(handler.__name__, error)
            code = "unauthorized" if isinstance(problem, BadEventError) else "serverError"
            return {"code": code, "errorMessage": problem.detail}

    return answer


def notice_answers(handler: NoticeHandler) -> NoticeHandler:
    """Errors of a `connected` or `disconnected` function are logged; the service asks no more."""

    @functools.wraps(handler)
    async def answer(request: str) -> None:
        try:
            await handler(request)
        except Exception as error:
            _log_error(handler.__name__, error)

    return answer


def _log_error(function: str, error: Exception) -> UsherError:
    """Logs what the operator must know; gives the error that a caller may see."""
    if not isinstance(error, UsherError):
        logger.error("%s failed", function, exc_info=error)
        return UsherError("The log says more.")
    if isinstance(error, SettingsError):
        log_record("settings", logging.ERROR, function=function, problems=error.problems)
    elif error.status >= 500 or isinstance(error, REFUSALS):
        # A caller that may not is no fault of ours; an event that may not should never have come.
        is_caller = isinstance(error, UnauthorizedError | ForbiddenError)
        level = logging.WARNING if is_caller else logging.ERROR
        log_record("refusal", level, function=function, status=error.status, reason=str(error))
    return error
