"""Errors of the data plane, and the one function that turns them into HTTP responses."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from aiohttp import web

_TITLE = "One or more validation errors occurred."


class RestError(Exception):
    """A REST call that is answered with an error. Without a message the response has no body."""

    def __init__(self, status: int, code: str, message: str = "", target: str = "Request") -> None:
        super().__init__(message or code)
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.headers: dict[str, str] = {}


def bad_request(message: str, target: str = "Request") -> RestError:
    """Return a 400. `target` is the name of the wrong parameter."""
    return RestError(HTTPStatus.BAD_REQUEST, "Error.BadRequest", message, target)


def unauthorized() -> RestError:
    """Return a 401, which does not say what is wrong with the token."""
    return RestError(HTTPStatus.UNAUTHORIZED, "Error.Unauthorized")


def not_found(code: str, target: str, name: str) -> RestError:
    """Return a 404 for the connection, group or user with this name."""
    return RestError(HTTPStatus.NOT_FOUND, code, f"{target} `{name}` is not found.", target)


def no_such_operation() -> RestError:
    """Return a 404 for an unknown path."""
    return RestError(HTTPStatus.NOT_FOUND, "Error.NotFound", "There is no such operation.", "Path")


def method_not_allowed(allowed: Iterable[str]) -> RestError:
    """Return a 405 with the methods that the path has."""
    error = RestError(HTTPStatus.METHOD_NOT_ALLOWED, "Error.MethodNotAllowed")
    error.headers["Allow"] = ", ".join(allowed)
    return error


def conflict(message: str) -> RestError:
    """Return a 409 for a connection that reached a limit."""
    return RestError(HTTPStatus.CONFLICT, "Error.Connection.Conflict", message, "Connection")


def unsupported_media_type() -> RestError:
    """Return a 415 for a Content-Type that messages cannot have. As in Azure it has no body."""
    return RestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Error.UnsupportedMediaType")


def not_implemented(what: str) -> RestError:
    """Return a 501 for what only Azure can do. `what` starts the sentence."""
    message = f"{what} is not supported by the emulator yet."
    return RestError(HTTPStatus.NOT_IMPLEMENTED, "Error.NotImplemented", message)


def error_response(error: RestError) -> web.Response:
    """Return the response, in the forms of the recordings of the real service."""
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
