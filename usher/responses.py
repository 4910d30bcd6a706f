"""Responses of the functions, and the only place where errors become responses."""

import functools
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import azure.functions as func

from usher.errors import BadEventError, RemovedError, SettingsError, TooManyError, UsherError
from usher.logs import log_record, logger, notes, start_notes

type Handler[**P, R] = Callable[P, Awaitable[R]]
type Responder[R] = Callable[[UsherError], R]

NO_SNIFF = {"X-Content-Type-Options": "nosniff"}  # browsers must not guess the type
NO_STORE = NO_SNIFF | {"Cache-Control": "no-store"}


def answer_json(body: Mapping[str, Any], status: int = 200, **headers: str) -> func.HttpResponse:
    """Return a JSON body that caches must not store."""
    return func.HttpResponse(
        json.dumps(body),
        status_code=status,
        mimetype="application/json",
        headers=NO_STORE | headers if headers else NO_STORE,
    )


def answer_nothing() -> func.HttpResponse:
    """Return 204."""
    return func.HttpResponse(status_code=204, headers=NO_STORE)


def answer_yaml(document: str) -> func.HttpResponse:
    """Return 200 with a YAML document (media type: RFC 9512)."""
    return func.HttpResponse(document, mimetype="application/yaml", headers=NO_SNIFF)


def answer_script(script: str) -> func.HttpResponse:
    """Return 200 with a JavaScript module (media type: RFC 9239) that caches keep for 5 minutes."""
    headers = NO_SNIFF | {"Cache-Control": "public, max-age=300"}
    return func.HttpResponse(script, mimetype="text/javascript", headers=headers)


def answer_page(html: str, content_security_policy: str) -> func.HttpResponse:
    """Return 200 with a page and its Content-Security-Policy."""
    headers = {
        "Content-Security-Policy": content_security_policy,
        "Referrer-Policy": "no-referrer",
    }
    return func.HttpResponse(html, mimetype="text/html", headers=NO_STORE | headers)


def answer_problem(error: UsherError) -> func.HttpResponse:
    """Return `application/problem+json` (RFC 9457) with `field` and `members` as extensions."""
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


def refuse_client(error: UsherError) -> dict[str, Any]:
    """Return the refusal of a `connect` event.

    Web PubSub extension, `EventErrorResponse`: the code gives the status (401, 400 or 500), and
    both keys are required. It has no code for 429; and the service would retry after a 500.
    """
    codes = {
        BadEventError: "unauthorized",
        RemovedError: "unauthorized",
        TooManyError: "userError",
    }
    code = next((codes[kind] for kind in codes if isinstance(error, kind)), "serverError")
    return {"code": code, "errorMessage": error.detail}


def _answers[**P, R](respond: Responder[R]) -> Callable[[Handler[P, R]], Handler[P, R]]:
    """Return a decorator of functions that turns each error into a response, and logs it."""

    def decorate(handler: Handler[P, R]) -> Handler[P, R]:
        @functools.wraps(handler)
        async def answer(*args: P.args, **kwargs: P.kwargs) -> R:
            start_notes()
            try:
                return await handler(*args, **kwargs)
            except Exception as error:
                return respond(_log_error(handler.__name__, error))

        return answer

    return decorate


def _log_error(function: str, error: Exception) -> UsherError:
    """Log what the operator must know, and return the error that the caller may see."""
    if not isinstance(error, UsherError):
        logger.error("%s failed", function, exc_info=error)
        return UsherError("An unexpected error occurred. The log of the app has the details.")
    if isinstance(error, SettingsError):
        log_record("settings", logging.ERROR, function=function, problems=error.problems)
    elif level := logging.ERROR if error.status >= 500 else error.log_level:
        # The host logs the status of every request anyway.
        facts = {"function": function, "status": error.status, "reason": str(error), **notes()}
        log_record("refusal", level, **facts)
    return error


# Decorators for HTTP functions; for `connect`, where an exception would hang the handshake; and for
# `connected` and `disconnected`, whose answer is not used.
http_answers = _answers(answer_problem)
connect_answers = _answers(refuse_client)
notice_answers = _answers(lambda _: None)
