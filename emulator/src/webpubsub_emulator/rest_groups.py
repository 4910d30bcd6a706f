"""REST operations on memberships: of a connection, a user, or all that a filter matches."""

from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from webpubsub_emulator.calls import Call
from webpubsub_emulator.filters import Filter
from webpubsub_emulator.json_text import parse_json
from webpubsub_emulator.media_types import MediaTypeError, payload_from_body
from webpubsub_emulator.names import is_group_name
from webpubsub_emulator.paging import decode_cursor, encode_cursor
from webpubsub_emulator.parameters import naming_filter, read_filter
from webpubsub_emulator.problems import bad_request, not_found, unsupported_media_type
from webpubsub_emulator.routes import API_VERSIONS

# --- one connection, one user ----------------------------------------------------------


async def add_connection_to_group(call: Call) -> web.Response:
    connection_id = call.names["connectionId"]
    effects = call.hub.groups.add(connection_id, call.names["group"])
    if effects is None:
        raise not_found("Error.Connection.NotExisted", "Connection", connection_id)
    call.run(effects)
    return web.Response()


async def remove_connection_from_group(call: Call) -> web.Response:
    call.run(call.hub.groups.remove(call.names["connectionId"], call.names["group"]))
    return web.Response(status=204)


async def remove_connection_from_all_groups(call: Call) -> web.Response:
    call.run(call.hub.groups.remove_from_all(call.names["connectionId"]))
    return web.Response(status=204)


async def add_user_to_group(call: Call) -> web.Response:
    effects = call.hub.groups.add_user(call.names["userId"], call.names["group"])
    if effects is None:
        raise not_found("Warning.User.NotExisted", "User", call.names["userId"])
    call.run(effects)
    return web.Response()


async def remove_user_from_group(call: Call) -> web.Response:
    call.run(call.hub.groups.remove_user(call.names["userId"], call.names["group"]))
    return web.Response(status=204)


async def remove_user_from_all_groups(call: Call) -> web.Response:
    call.run(call.hub.groups.remove_user_from_all(call.names["userId"]))
    return web.Response(status=204)


# --- all that a filter matches ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _GroupsRequest:
    """The body of a call on many connections and many groups."""

    groups: list[str]
    where: Filter | None


async def add_connections_to_groups(call: Call) -> web.Response:
    asked = await _read_groups_request(call)
    with naming_filter("Filter"):
        call.run(call.hub.groups.add_matching(asked.groups, asked.where))
    return web.Response()


async def remove_connections_from_groups(call: Call) -> web.Response:
    asked = await _read_groups_request(call)
    with naming_filter("Filter"):
        call.run(call.hub.groups.remove_matching(asked.groups, asked.where))
    return web.Response()


async def _read_groups_request(call: Call) -> _GroupsRequest:
    fields = await _read_object(call)
    groups, where = fields.get("groups"), fields.get("filter")
    if not isinstance(groups, list) or not groups or not all(map(_is_group, groups)):
        raise bad_request("A nonempty list of valid group names is required.", "Groups")
    if where is not None and not isinstance(where, str):
        raise bad_request("The filter must be a string.", "Filter")
    return _GroupsRequest(groups, read_filter(where, "Filter"))


async def _read_object(call: Call) -> dict[str, Any]:
    """Return the JSON object in the body, with keys in lower case: .NET ignores their case."""
    body = await call.read_body()
    try:
        payload = payload_from_body(call.request.headers.get("Content-Type"), body)
    except MediaTypeError:
        raise unsupported_media_type() from None
    except ValueError:
        raise bad_request("The request body is not a valid groups request.") from None
    if payload.data_type != "json":
        raise unsupported_media_type()
    value = parse_json(payload.content.decode())
    if not isinstance(value, dict):
        raise bad_request("The request body is not a valid groups request.")
    return {name.lower(): member for name, member in value.items()}


def _is_group(value: object) -> bool:
    return isinstance(value, str) and is_group_name(value)


# --- listing ---------------------------------------------------------------------------


async def list_connections_in_group(call: Call) -> web.Response:
    """Answer one page, sorted by connection id, so that leaving members shift no later page."""
    after = _cursor(call)
    page_size, top = call.parameters.page_size, call.parameters.top
    is_continued = call.parameters.continuation_token is not None
    users, as_of = call.service.lists.read(call.hub, call.names["group"], is_continued=is_continued)
    members = [connection_id for connection_id in users if connection_id > after]
    page = members[: min(page_size, top or page_size)]
    value = [{"connectionId": member, "userId": users[member]} for member in page]
    next_link = None
    if len(members) > len(page) and top != len(page):
        rest = {} if top is None else {"top": top - len(page)}
        next_link = _next_link(call, page[-1], {"maxpagesize": page_size, **rest})
    headers = None if as_of is None else {"Date": formatdate(as_of, usegmt=True)}
    return web.json_response({"value": value, "nextLink": next_link}, headers=headers)


def _cursor(call: Call) -> str:
    """Return the connection id that comes before the page."""
    # Checked here, because the service refuses repeated parameters only after the token.
    for parameter in ("maxpagesize", "top", "continuationToken"):
        if len(call.request.query.getall(parameter, [])) > 1:
            raise bad_request(f"The parameter {parameter} must not be repeated.", parameter)
    token = call.parameters.continuation_token
    try:
        return "" if token is None else decode_cursor(call.access_key, _scope(call), token)
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
