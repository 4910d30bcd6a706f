"""The data plane over aiohttp: checks a REST call, hands it to the hub, answers.

Paths are in routes.py, errors in problems.py, tokens in tokens.py.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import web

from localdev.emulator.effects import Effect
from localdev.emulator.hub import Hub
from localdev.emulator.media_types import MediaTypeError, payload_from_body
from localdev.emulator.messages import (
    MESSAGE_LIMIT,
    TTL_MAX_SECONDS,
    Payload,
    is_group_name,
    is_hub_name,
)
from localdev.emulator.paging import decode_cursor, encode_cursor
from localdev.emulator.problems import (
    RestError,
    bad_request,
    error_response,
    not_found,
    not_implemented,
    unauthorized,
    unsupported_media_type,
)
from localdev.emulator.routes import match_route, split_path
from localdev.emulator.service import Service
from localdev.emulator.tokens import Client, allows_rest_call, sign_client_token

API_VERSIONS = ("2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01")

PAGE_LIMIT = 200
INT32_MAX = 2**31 - 1

_log = logging.getLogger("emulator")


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated REST call on a hub."""

    request: web.Request
    names: dict[str, str]
    service: Service
    access_key: str = field(repr=False)

    @property
    def hub(self) -> Hub:
        """The hub in the path."""
        return self.service.hub(self.names["hub"])

    def run(self, effects: list[Effect]) -> None:
        """Carry out what the hub returned."""
        self.service.run(effects)


_Handler = Callable[[Call], Awaitable[web.Response]]


class DataPlane:
    """Answers REST calls. Every RestError that a handler raises becomes its response here."""

    def __init__(self, service: Service, access_key: str) -> None:
        self._service = service
        self._access_key = access_key

    async def handle(self, request: web.Request) -> web.Response:
        """The response to any request outside the client endpoint."""
        path = request.rel_url.raw_path
        try:
            response = await self._respond(request, path)
        except RestError as error:
            response = error_response(error)
        # As recorded: with successes and with what is not found, but not with other errors.
        if response.status < 300 or response.status == 404:
            response.headers["api-supported-versions"] = ", ".join(API_VERSIONS)
        _log.info("%s %s %d", request.method, path, response.status)
        return response

    async def _respond(self, request: web.Request, path: str) -> web.Response:
        segments = split_path(path)
        match = match_route(request.method, segments)
        if match is None:
            # Differs from Azure: also for a known path with another method (405 there).
            raise RestError(404, "Error.NotFound", "There is no such operation.", "Path")
        _check_api_version(request)
        if match.operation == "GetServiceStatus":
            return web.Response()
        _check_names(match.names)
        self._authenticate(request, path, segments)
        handler = _HANDLERS.get(match.operation)
        if handler is None:
            raise not_implemented(f"The operation {match.operation}")
        return await handler(Call(request, match.names, self._service, self._access_key))

    def _authenticate(self, request: web.Request, path: str, segments: tuple[str, ...]) -> None:
        """Raise 401 unless the bearer token is for this URL or for the whole data plane."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        # The path decoded, and as the service reads it. A token for the path as it was sent
        # matches, too, for tokens.py decodes its audience as well.
        targets = [request.host + spelling for spelling in (unquote(path), "/".join(segments))]
        if scheme.lower() != "bearer" or not allows_rest_call(
            token.strip(), self._access_key, targets
        ):
            raise unauthorized()


def _check_api_version(request: web.Request) -> None:
    # Differs from Azure: every version has every operation.
    version = _single(request, "api-version")
    if version is not None and version not in API_VERSIONS:
        raise bad_request("The API version is not supported.", "api-version")


def _check_names(names: dict[str, str]) -> None:
    for parameter, name in names.items():
        if parameter == "hub" and not is_hub_name(name):
            raise bad_request("The hub name is invalid.", "hub")
        if parameter == "group" and not is_group_name(name):
            raise bad_request("The group name is invalid.", "group")
        if not name.strip():
            raise bad_request(f"The parameter {parameter} must not be empty.", parameter)


def _single(request: web.Request, parameter: str) -> str | None:
    values = request.query.getall(parameter, [])
    if len(values) > 1:
        raise bad_request(f"The parameter {parameter} must not be repeated.", parameter)
    return values[0] if values else None


def _integer(request: web.Request, parameter: str, least: int, most: int) -> int | None:
    text = _single(request, parameter)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise bad_request(f"{parameter} must be an integer from {least} to {most}.", parameter)
    return int(text)


# --- tokens ----------------------------------------------------------------------------


async def _generate_token(call: Call) -> web.Response:
    query = call.request.query
    minutes = _integer(call.request, "minutesToExpire", 1, INT32_MAX)
    groups = query.getall("group", [])
    if not all(is_group_name(group) for group in groups):
        raise bad_request("The group name is invalid.", "group")
    _check_client_type(query.get("clientType", "Default"))
    audience = f"{call.request.scheme}://{call.request.host}/client/hubs/{call.hub.name}"
    roles = tuple(query.getall("role", []))
    client = Client(query.get("userId"), roles, tuple(groups), claims={})
    token = sign_client_token(call.access_key, audience, client, minutes or 60)
    return web.json_response({"token": token})


def _check_client_type(client_type: str) -> None:
    if client_type.lower() in ("mqtt", "socketio"):
        raise not_implemented(f"The client type {client_type}")
    if client_type.lower() != "default":
        raise bad_request("The client type is unknown.", "clientType")


# --- sending ---------------------------------------------------------------------------


async def _send_to_all(call: Call) -> web.Response:
    payload = await _read_payload(call.request)
    call.run(call.hub.send_to_all(payload, _excluded(call)))
    return web.Response(status=202)


async def _send_to_group(call: Call) -> web.Response:
    payload = await _read_payload(call.request)
    call.run(call.hub.send_to_group(call.names["group"], payload, _excluded(call)))
    return web.Response(status=202)


async def _send_to_user(call: Call) -> web.Response:
    payload = await _read_payload(call.request)
    call.run(call.hub.send_to_user(call.names["userId"], payload))
    return web.Response(status=202)


async def _send_to_connection(call: Call) -> web.Response:
    payload = await _read_payload(call.request)
    call.run(call.hub.send_to_connection(call.names["connectionId"], payload))
    return web.Response(status=202)


def _excluded(call: Call) -> set[str]:
    return set(call.request.query.getall("excluded", []))


async def _read_payload(request: web.Request) -> Payload:
    """The message in the body; 400, 415 or 501 if it cannot be sent."""
    if "filter" in request.query:
        raise not_implemented("The parameter filter")
    if any(name.lower().startswith("x-webpubsub-metadata-") for name in request.headers):
        raise not_implemented("Message metadata")
    # Nothing is kept for later delivery, so a time to live is only checked.
    _integer(request, "messageTtlSeconds", 0, TTL_MAX_SECONDS)
    length = request.content_length
    if length is None or length > MESSAGE_LIMIT:
        raise bad_request("Invalid Content-Length header.")
    try:
        return payload_from_body(request.headers.get("Content-Type"), await request.read())
    except MediaTypeError:
        raise unsupported_media_type() from None
    except ValueError:
        raise bad_request("The request body is not a valid JSON.") from None


# --- connections, groups and users -----------------------------------------------------


async def _close_connection(call: Call) -> web.Response:
    reason = call.request.query.get("reason", "")
    call.run(call.hub.close_connection(call.names["connectionId"], reason))
    return web.Response(status=204)


async def _add_to_group(call: Call) -> web.Response:
    connection_id = call.names["connectionId"]
    if not call.hub.add_to_group(connection_id, call.names["group"]):
        raise not_found("Error.Connection.NotExisted", "Connection", connection_id)
    return web.Response()


async def _remove_from_group(call: Call) -> web.Response:
    call.hub.remove_from_group(call.names["connectionId"], call.names["group"])
    return web.Response(status=204)


async def _connection_exists(call: Call) -> web.Response:
    connection_id = call.names["connectionId"]
    if call.hub.connection(connection_id) is None:
        raise not_found("Warning.Connection.NotExisted", "Connection", connection_id)
    return web.Response()


async def _group_exists(call: Call) -> web.Response:
    if not call.hub.has_group(call.names["group"]):
        raise not_found("Warning.Group.NotExisted", "Group", call.names["group"])
    return web.Response()


async def _user_exists(call: Call) -> web.Response:
    if not call.hub.has_user(call.names["userId"]):
        raise not_found("Warning.User.NotExisted", "User", call.names["userId"])
    return web.Response()


async def _list_connections(call: Call) -> web.Response:
    """One page by connection id; members that leave do not shift the pages after."""
    page_size = _integer(call.request, "maxpagesize", 1, PAGE_LIMIT) or PAGE_LIMIT
    top = _integer(call.request, "top", 1, INT32_MAX)
    after = _cursor(call)
    members = [member for member in call.hub.members(call.names["group"]) if member.id > after]
    page = members[: min(page_size, top or page_size)]
    value = [{"connectionId": member.id, "userId": member.user_id} for member in page]
    next_link = None
    if len(members) > len(page) and top != len(page):
        rest = {} if top is None else {"top": top - len(page)}
        next_link = _next_link(call, page[-1].id, {"maxpagesize": page_size, **rest})
    return web.json_response({"value": value, "nextLink": next_link})


def _cursor(call: Call) -> str:
    token = _single(call.request, "continuationToken")
    if token is None:
        return ""
    try:
        return decode_cursor(call.access_key, _scope(call), token)
    except ValueError:
        text = "The continuation token is invalid."
        raise bad_request(text, "continuationToken") from None


def _next_link(call: Call, last_id: str, limits: dict[str, Any]) -> str:
    token = encode_cursor(call.access_key, _scope(call), last_id)
    query = {"api-version": API_VERSIONS[-1], **limits, "continuationToken": token}
    request = call.request
    path = request.rel_url.raw_path
    return f"{request.scheme}://{request.host}{path}?{urlencode(query)}"


def _scope(call: Call) -> str:
    return f"{call.hub.name}\n{call.names['group']}"


# What is missing here answers 501.
_HANDLERS: dict[str, _Handler] = {
    "GenerateClientToken": _generate_token,
    "SendToAll": _send_to_all,
    "SendToGroup": _send_to_group,
    "SendToUser": _send_to_user,
    "SendToConnection": _send_to_connection,
    "CloseConnection": _close_connection,
    "ConnectionExists": _connection_exists,
    "GroupExists": _group_exists,
    "UserExists": _user_exists,
    "AddConnectionToGroup": _add_to_group,
    "RemoveConnectionFromGroup": _remove_from_group,
    "ListConnectionsInGroup": _list_connections,
}
