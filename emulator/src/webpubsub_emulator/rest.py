"""The data plane over aiohttp: checks a REST call, has it carried out, answers.

Paths are in routes.py, parameters in parameters.py, operations in rest_*.py, errors in
problems.py, tokens in tokens.py.
"""

import logging
from datetime import UTC, datetime
from urllib.parse import unquote

from aiohttp import web

from webpubsub_emulator import rest_connections, rest_groups, rest_messages
from webpubsub_emulator.calls import Call, Handler
from webpubsub_emulator.faults import Faults
from webpubsub_emulator.journal import CallRecord, Journal
from webpubsub_emulator.messages import is_group_name, is_hub_name
from webpubsub_emulator.parameters import naming_filter, read_parameters
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
from webpubsub_emulator.routes import (
    API_VERSIONS,
    Match,
    allowed_methods,
    match_route,
    split_path,
    versions_of,
)
from webpubsub_emulator.service import Service
from webpubsub_emulator.tokens import Client, allows_rest_call, sign_client_token

_log = logging.getLogger("emulator")


class DataPlane:
    """Answers REST calls. Every RestError that is raised on the way becomes its response here."""

    def __init__(self, service: Service, access_key: str, faults: Faults, journal: Journal) -> None:
        self._service = service
        self._access_key = access_key
        self._faults = faults
        self._journal = journal

    async def handle(self, request: web.Request) -> web.Response:
        """The response to any request outside the client endpoint."""
        path = request.rel_url.raw_path
        segments = split_path(path)
        match = match_route(request.method, segments)
        try:
            response = await self._respond(request, segments, match)
        except RestError as error:
            response = error_response(error)
        # As recorded: with successes and with what is not found, but not with other errors.
        if response.status < 300 or response.status == 404:
            versions = versions_of(match.operation) if match else API_VERSIONS
            response.headers["api-supported-versions"] = ", ".join(versions)
        if request.method == "HEAD" and response.status == 200:
            # aiohttp's server leaves it out, and its client then gives up the connection.
            response.headers["Content-Length"] = "0"
        _log.info("%s %s %d", request.method, path, response.status)
        now = datetime.now(UTC).isoformat()
        self._journal.calls.append(CallRecord(now, request.method, path, response.status))
        return response

    async def _respond(
        self, request: web.Request, segments: tuple[str, ...], match: Match | None
    ) -> web.Response:
        """Versions, names and parameters come before the caller; the body comes after."""
        if match is None:
            allowed = allowed_methods(segments)
            raise method_not_allowed(allowed) if allowed else no_such_operation()
        _check_api_version(request, match.operation)
        if match.operation == "GetServiceStatus":
            return web.Response()
        _check_names(match.names)
        parameters = read_parameters(match.operation, request.query)
        self._authenticate(request, segments)
        call = Call(request, match.names, parameters, self._service, self._access_key)
        handler = _HANDLERS[match.operation]
        with naming_filter("filter"):
            if self._faults.active:
                return await call_under_faults(self._faults, handler, call)
            return await handler(call)

    def _authenticate(self, request: web.Request, segments: tuple[str, ...]) -> None:
        """Raise 401 unless the bearer token is for this URL or for the whole data plane."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        # The path decoded, and as the service reads it. A token for the path as it was sent
        # matches, too, for tokens.py decodes its audience as well.
        decoded = unquote(request.rel_url.raw_path)
        targets = [request.host + spelling for spelling in (decoded, "/".join(segments))]
        if scheme.lower() != "bearer" or not allows_rest_call(
            token.strip(), self._access_key, targets
        ):
            raise unauthorized()


def _check_api_version(request: web.Request, operation: str) -> None:
    versions = request.query.getall("api-version", [])
    if len(versions) > 1:
        raise bad_request("The parameter api-version must not be repeated.", "api-version")
    if versions and versions[0] not in versions_of(operation):
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


async def _generate_token(call: Call) -> web.Response:
    asked = call.parameters
    audience = f"{call.request.scheme}://{call.request.host}/client/hubs/{call.hub.name}"
    client = Client(asked.user_id, asked.roles, asked.groups, claims={})
    token = sign_client_token(call.access_key, audience, client, asked.minutes_to_expire)
    return web.json_response({"token": token})


_HANDLERS: dict[str, Handler] = {
    "GenerateClientToken": _generate_token,
    **rest_messages.HANDLERS,
    **rest_connections.HANDLERS,
    **rest_groups.HANDLERS,
}
