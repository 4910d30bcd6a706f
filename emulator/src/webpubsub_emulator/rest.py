"""The data plane over aiohttp: checks a REST call, runs its operation and answers.

The table of operations is in operations.py. Their functions are in rest_*.py, their query
parameters in parameters.py, the errors in problems.py and the tokens in tokens.py.
"""

import logging
import time
from datetime import UTC, datetime
from email.utils import formatdate
from urllib.parse import unquote

from aiohttp import web

from webpubsub_emulator.calls import Call
from webpubsub_emulator.faults import Faults
from webpubsub_emulator.journal import CallRecord, Journal
from webpubsub_emulator.names import is_group_name, is_hub_name
from webpubsub_emulator.operations import ROUTER, Match, Operation
from webpubsub_emulator.parameters import naming_filter
from webpubsub_emulator.permissions import ACTIONS_BY_NAME
from webpubsub_emulator.problems import (
    RestError,
    bad_request,
    error_response,
    method_not_allowed,
    no_such_operation,
    unauthorized,
)
from webpubsub_emulator.rest_faults import call_under_faults
from webpubsub_emulator.routes import API_VERSIONS, Segments, split_path
from webpubsub_emulator.service import Service
from webpubsub_emulator.tokens import allows_rest_call

_log = logging.getLogger("emulator")


class DataPlane:
    """Answers REST calls, and turns each RestError into its response."""

    def __init__(self, service: Service, access_key: str, faults: Faults, journal: Journal) -> None:
        self._service = service
        self._access_key = access_key
        self._faults = faults
        self._journal = journal

    async def handle(self, request: web.Request) -> web.Response:
        """Return the response to any request outside the client endpoint."""
        # Before the call reads anything: what a list shows is never older than its Date, and a
        # slow response keeps its Date (RFC 9110, section 6.6.1).
        date = formatdate(time.time(), usegmt=True)
        path = request.rel_url.raw_path
        segments = split_path(path)
        match = ROUTER.match(request.method, segments)
        try:
            response = await self._respond(request, segments, match)
        except RestError as error:
            response = error_response(error)
        response.headers.setdefault("Date", date)
        _complete_headers(request, response, match)
        _log.info("%s %s %d", request.method, path, response.status)
        now = datetime.now(UTC).isoformat()
        self._journal.calls.append(CallRecord(now, request.method, path, response.status))
        return response

    async def _respond(
        self, request: web.Request, segments: Segments, match: Match | None
    ) -> web.Response:
        """Check version, names and parameters before the token, as the service does; then act."""
        if match is None:
            allowed = ROUTER.allowed_methods(segments)
            raise method_not_allowed(allowed) if allowed else no_such_operation()
        operation = match.operation
        _check_api_version(request, operation)
        _check_names(match.names)
        parameters = operation.read_parameters(request.query)
        call = Call(request, match.names, parameters, self._service, self._access_key)
        if not operation.needs_token:
            return await operation.handler(call)
        self._authenticate(request, segments)
        with naming_filter("filter"):
            if self._faults.active:
                return await call_under_faults(self._faults, operation.handler, call)
            return await operation.handler(call)

    def _authenticate(self, request: web.Request, segments: Segments) -> None:
        """Raise 401 unless the bearer token is for this URL or for the whole data plane."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        # The audience may have the path decoded, or as the service reads it. The path as it was
        # sent matches too, because tokens.py also decodes the audience.
        decoded = unquote(request.rel_url.raw_path)
        targets = [request.host + spelling for spelling in (decoded, "/".join(segments))]
        if scheme.lower() != "bearer" or not allows_rest_call(
            token.strip(), self._access_key, targets
        ):
            raise unauthorized()


def _complete_headers(request: web.Request, response: web.Response, match: Match | None) -> None:
    # In the recordings of the service, successes and 404s have this header, other errors do not.
    if response.status < 300 or response.status == 404:
        versions = match.operation.versions if match else API_VERSIONS
        response.headers["api-supported-versions"] = ", ".join(versions)
    if request.method == "HEAD" and response.status == 200:
        # aiohttp's server omits this header, and aiohttp's client then drops the connection.
        response.headers["Content-Length"] = "0"


def _check_api_version(request: web.Request, operation: Operation) -> None:
    versions = request.query.getall("api-version", [])
    if len(versions) > 1:
        raise bad_request("The parameter api-version must not be repeated.", "api-version")
    if versions and versions[0] not in operation.versions:
        raise bad_request(
            f"The HTTP resource that matches the request URI '{request.url}' does not support "
            f"the API version '{versions[0]}'.",
            "api-version",
        )


def _check_names(names: dict[str, str]) -> None:
    for parameter, name in names.items():
        if parameter == "hub" and not is_hub_name(name):
            raise bad_request("The hub name is invalid.", "hub")
        if parameter == "group" and not is_group_name(name):
            raise bad_request("The group name is invalid.", "group")
        if parameter == "permission" and name.lower() not in ACTIONS_BY_NAME:
            raise bad_request("The permission is unknown.", "permission")
        if not name.strip():
            raise bad_request(f"The parameter {parameter} must not be empty.", parameter)
