"""REST operations on connections: whether they exist, closing them, and their permissions."""

from aiohttp import web

from webpubsub_emulator.calls import Call
from webpubsub_emulator.permissions import (
    ACTIONS_BY_NAME,
    Action,
    PermissionLimitError,
    Permissions,
)
from webpubsub_emulator.problems import RestError, conflict, not_found

# --- existence -------------------------------------------------------------------------


async def connection_exists(call: Call) -> web.Response:
    connection_id = call.names["connectionId"]
    if call.hub.connections.find(connection_id) is None:
        raise not_found("Warning.Connection.NotExisted", "Connection", connection_id)
    return web.Response()


async def group_exists(call: Call) -> web.Response:
    if not call.hub.groups.exists(call.names["group"]):
        raise not_found("Warning.Group.NotExisted", "Group", call.names["group"])
    return web.Response()


async def user_exists(call: Call) -> web.Response:
    if not call.hub.connections.of_user(call.names["userId"]):
        raise not_found("Warning.User.NotExisted", "User", call.names["userId"])
    return web.Response()


# --- closing ---------------------------------------------------------------------------


async def close_connection(call: Call) -> web.Response:
    call.run(call.hub.endings.close(call.names["connectionId"], call.parameters.reason))
    return web.Response(status=204)


async def close_all_connections(call: Call) -> web.Response:
    call.run(call.hub.endings.close_all(call.parameters.reason, call.parameters.excluded))
    return web.Response(status=204)


async def close_group_connections(call: Call) -> web.Response:
    reason, excluded = call.parameters.reason, call.parameters.excluded
    call.run(call.hub.endings.close_group(call.names["group"], reason, excluded))
    return web.Response(status=204)


async def close_user_connections(call: Call) -> web.Response:
    reason, excluded = call.parameters.reason, call.parameters.excluded
    call.run(call.hub.endings.close_user(call.names["userId"], reason, excluded))
    return web.Response(status=204)


# --- permissions -----------------------------------------------------------------------


async def check_permission(call: Call) -> web.Response:
    permissions = _permissions(call)
    if permissions is None or not permissions.allow(_action(call), call.parameters.target_name):
        raise _no_connection(call)
    return web.Response()


async def grant_permission(call: Call) -> web.Response:
    permissions = _permissions(call)
    if permissions is None:
        raise _no_connection(call)
    try:
        permissions.grant(_action(call), call.parameters.target_name)
    except PermissionLimitError:
        raise _too_many(call) from None
    return web.Response()


async def revoke_permission(call: Call) -> web.Response:
    permissions = _permissions(call)
    try:
        if permissions is not None:
            permissions.revoke(_action(call), call.parameters.target_name)
    except PermissionLimitError:
        raise _too_many(call) from None
    return web.Response(status=204)


def _permissions(call: Call) -> Permissions | None:
    return call.hub.groups.permissions(call.names["connectionId"])


def _action(call: Call) -> Action:
    return ACTIONS_BY_NAME[call.names["permission"].lower()]


def _no_connection(call: Call) -> RestError:
    return not_found("Info.Connection.NotExisted", "Connection", call.names["connectionId"])


def _too_many(call: Call) -> RestError:
    return conflict(f"The connection has too many rules for {_action(call)}.")
