"""Errors of the data plane and the one place where they become HTTP answers."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from aiohttp import web

_TITLE = "One or more validation errors occurred."


class RestError(Exception):
    """A REST call that is answered with an error. `message` is for the caller to read.

    Without a message the answer has no body.
    """

    def __init__(self, status: int, code: str, message: str = "", target: str = "Request") -> None:
        super().__init__(message or code)
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.headers: dict[str, str] = {}


def bad_request(message: str, target: str = "Request") -> RestError:
    """400: the call breaks a rule; `target` is the parameter."""
    return RestError(HTTPStatus.BAD_REQUEST, "Error.BadRequest", message, target)


def unauthorized() -> RestError:
    """401: no token, or none that opens this call; nothing more is said."""
    return RestError(HTTPStatus.UNAUTHORIZED, "Error.Unauthorized")


def not_found(code: str, target: str, name: str) -> RestError:
    """404: the connection, group or user of that name does not exist now."""
    return RestError(HTTPStatus.NOT_FOUND, code, f"{target} `{name}` is not found.", target)


def no_such_operation() -> RestError:
    """404: the path means nothing."""
    return RestError(HTTPStatus.NOT_FOUND, "Error.NotFound", "There is no such operation.", "Path")


def method_not_allowed(allowed: Iterable[str]) -> RestError:
    """405: the path is right, the method is not one of those allowed."""
    error = RestError(HTTPStatus.METHOD_NOT_ALLOWED, "Error.MethodNotAllowed")
    error.headers["Allow"] = ", ".join(allowed)
    return error


def conflict(message: str) -> RestError:
    """409: the connection cannot take any more of this."""
    return RestError(HTTPStatus.CONFLICT, "Error.Connection.Conflict", message, "Connection")


def unsupported_media_type() -> RestError:
    """415: a Content-Type that messages cannot have; the service sends no body, either."""
    return RestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Error.UnsupportedMediaType")


def not_implemented(what: str) -> RestError:
    """501: Azure can do it, the emulator cannot. `what` starts the sentence."""
    message = f"{what} is not supported by the emulator yet."
    return RestError(HTTPStatus.NOT_IMPLEMENTED, "Error.NotImplemented", message)


def error_response(error: RestError) -> web.Response:
    """The answer in the forms that the real service was recorded with."""
    headers = {"x-ms-error-code": error.code, **error.headers}
    if not error.message:
        return web.Response(status=error.status, headers=headers)
    fields: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "target": error.target,
    }
    if error.status == HTTPStatus.NOT_FOUND:
        fields |= {"details": None, "innererror": None}
        content_type = "application/json; charset=utf-8"
    else:
        fields |= _problem_fields(error)
        content_type = "application/problem+json; charset=utf-8"
    headers["Content-Type"] = content_type
    return web.Response(body=json.dumps(fields), status=error.status, headers=headers)


def _problem_fields(error: RestError) -> dict[str, Any]:
    is_invalid = error.status == HTTPStatus.BAD_REQUEST
    return {
        "errors": {error.target: [error.message]} if is_invalid else {},
        "type": None,
        "title": _TITLE if is_invalid else HTTPStatus(error.status).phrase,
        "status": int(error.status),
        "detail": error.message,
        "instance": None,
        "extensions": {},
    }
