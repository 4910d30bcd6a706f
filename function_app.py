"""The functions of the app: each one is registered here, and delegates."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import azure.functions as func

from usher import fields, responses
from usher.door import negotiation
from usher.groups.events import ConnectionEvent, read_event
from usher.groups.workflow import join_groups, leave_groups
from usher.logs import log_record, note, quiet_sdk_logs, redact_all_records
from usher.page import check_page
from usher.parts import Parts
from usher.settings import HUB, find_hub_problem, find_mode

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
parts = Parts(os.environ, Path(__file__).parent)
# An authorization level is fixed while the host indexes the app, before the settings are parsed.
caller_level = func.AuthLevel[find_mode(os.environ).key_level]
quiet_sdk_logs()
redact_all_records()
# An event function without a hub stops the whole Functions host (recorded: 503 for every function).
hub_problem = find_hub_problem(os.environ)
if hub_problem:
    log_record("events-off", logging.ERROR, problems={HUB: hub_problem})


def on_event(name: str) -> Callable[..., Any]:
    """Register a function for a system event of the hub, if the hub is valid.

    The Functions host passes the payload only to an argument that is called `request`.
    """
    if hub_problem:
        return lambda function: function
    return app.generic_trigger(
        "request", "webPubSubTrigger", hub="%WebPubSubHub%", eventType="system", eventName=name
    )


def answer_description(req: func.HttpRequest, name: str) -> func.HttpResponse:
    """Return a document of the folder `api`."""
    parts.limits.check_open_page(req.headers)
    return responses.answer_yaml((parts.folder / "api" / name).read_text("utf-8"))


def groups_of(event: ConnectionEvent) -> list[str]:
    """Return the groups that `connect` admitted the connection to, and the policy still allows."""
    return parts.policy.groups_of(event.connection_id, event.user_id, event.states)


@app.route("negotiate", methods=["GET", "POST"], auth_level=caller_level)
@responses.http_answers
async def negotiate(req: func.HttpRequest) -> func.HttpResponse:
    """Issue a client access token for a user and the user's groups."""
    negotiation.check_method(req.method, parts.settings.mode)
    body = fields.check_length(req.headers, req.get_body())
    request = negotiation.read_request(req.url, body, parts.settings)
    caller = await parts.gate.identify(req.headers, request.user_id)
    parts.limits.connections.check(caller.user_id)
    token = await negotiation.negotiate(request, caller, parts.policy, parts.bans, parts.minter)
    return responses.answer_json(token)


@app.route("groups/{group}/members", methods=["GET"], auth_level=caller_level)
@responses.http_answers
async def roster(req: func.HttpRequest) -> func.HttpResponse:
    """Return the members of a group."""
    user_id = fields.read_single_text(fields.read_query(req.url), "userId")
    group = fields.read_name(req.route_params["group"], "group")
    note("groups", [group])
    if not parts.settings.mode.needs_no_caller(user_id):
        parts.policy.check_roster(await parts.gate.identify(req.headers, user_id), group)
    return responses.answer_json(await parts.rosters.read(parts.pubsub, group))


@app.route("provision", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@responses.http_answers
async def provision(req: func.HttpRequest) -> func.HttpResponse:
    """Run the whole workflow for a connection that is open."""
    # Imported here, because only backends call it.
    from usher.groups import provision as workflow
    from usher.groups.provision_request import read_provision

    body = fields.check_length(req.headers, req.get_body())
    request = read_provision(body, parts.settings)
    note("userId", request.user_id)
    note("groups", [request.group])
    roles = parts.policy.provision_roles(request.user_id, request.group)
    await parts.bans.check(request.user_id, [request.group])
    hub = parts.settings.hub
    outputs = await workflow.provision(parts.minter, parts.pubsub, hub, request, roles)
    return responses.answer_json(outputs)


@app.route("removals", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@responses.http_answers
async def remove(req: func.HttpRequest) -> func.HttpResponse:
    """Ban a user, and end the user's connections or memberships."""
    from usher.groups.removal_request import read_removal

    request = read_removal(fields.check_length(req.headers, req.get_body()), parts.settings)
    note("userId", request.user_id)
    note("groups", [request.group])
    if not request.minutes:
        ended = await parts.remover.remove(request)
        return responses.answer_json(request.describe() | ended)
    ban, is_new = await parts.bans.add(
        request.user_id, request.group, request.minutes, request.reason
    )
    ended = await parts.remover.remove(ban)
    location = {"Location": f"/api/removals/{ban.id}"} if is_new else {}
    return responses.answer_json(ban.describe() | ended, 201 if is_new else 200, **location)


@app.route("removals", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@responses.http_answers
async def removals(req: func.HttpRequest) -> func.HttpResponse:
    """Return a page of the removals that are in force."""
    from usher.groups.removal_request import read_after

    bans, after = await parts.bans.list(read_after(req.url))
    link = f"/api/removals?after={after}" if after else None
    page = {"removals": [ban.describe() for ban in bans], "nextLink": link}
    return responses.answer_json(page)


@app.route("removals/{id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@responses.http_answers
async def removal(req: func.HttpRequest) -> func.HttpResponse:
    """Return a removal that is in force."""
    ban = await parts.bans.find(req.route_params["id"])
    return responses.answer_json(ban.describe())


@app.route("removals/{id}", methods=["DELETE"], auth_level=func.AuthLevel.FUNCTION)
@responses.http_answers
async def lift(req: func.HttpRequest) -> func.HttpResponse:
    """Lift a removal."""
    ban = await parts.bans.lift(req.route_params["id"])
    log_record("removal-lifted", hub=parts.settings.hub, group=ban.group, userId=ban.user_id)
    return responses.answer_nothing()


@on_event("connect")
@responses.connect_answers
async def connect(request: str) -> dict[str, Any]:
    """Admit a client, and keep its groups in the connection state for later events."""
    event = read_event(request, "connect", parts.settings)
    note("groups", event.token_groups)
    parts.limits.check_connect(event.user_id, event.connection_id)
    parts.policy.check_origins(event.client_origins)
    ids = (event.connection_id, event.user_id)
    parts.policy.seal.check_new(*ids, event.states)
    groups = parts.policy.admit(event.user_id, event.token_groups)
    await parts.bans.check(event.user_id, groups)
    parts.limits.connections.add(event.user_id, event.connection_id)
    # The service replaces the roles of the token with these, also with none (reference of
    # CloudEvents, "Connect"). No `groups`: it would replace the groups of the token, too.
    roles = parts.policy.keep_roles(event.user_id, groups, event.token_roles)
    return {
        "userId": event.user_id,
        "roles": roles,
        "states": parts.policy.seal.write(*ids, groups),
    }


@on_event("connected")
@responses.notice_answers
async def connected(request: str) -> None:
    """Add the connection to its groups and announce the join."""
    event = read_event(request, "connected", parts.settings)
    groups = groups_of(event)
    parts.limits.connections.add(event.user_id, event.connection_id)
    is_removed = parts.remover.is_removed if parts.bans.are_on else None
    await join_groups(parts.pubsub, parts.announcer, event, groups, is_removed)


@on_event("disconnected")
@responses.notice_answers
async def disconnected(request: str) -> None:
    """Announce the leave."""
    event = read_event(request, "disconnected", parts.settings)
    parts.limits.connections.remove(event.connection_id)
    await leave_groups(parts.announcer, event, groups_of(event))


@app.route("openapi.yaml", methods=["GET"])
@responses.http_answers
async def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """Return the OpenAPI document, which describes the HTTP functions."""
    return answer_description(req, "openapi.yaml")


@app.route("asyncapi.yaml", methods=["GET"])
@responses.http_answers
async def asyncapi(req: func.HttpRequest) -> func.HttpResponse:
    """Return the AsyncAPI document, which describes the messages."""
    return answer_description(req, "asyncapi.yaml")


@app.route("usher.js", methods=["GET"])
@responses.http_answers
async def browser_module(req: func.HttpRequest) -> func.HttpResponse:
    """Return the browser module, whether or not the demo page is on: it holds no secret."""
    parts.limits.check_open_page(req.headers)
    return responses.answer_script((parts.folder / "web" / "usher.js").read_text("utf-8"))


@app.route("health", methods=["GET"])
@responses.http_answers
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """Return 200 if settings and policy are valid and Web PubSub admits the app, else 503."""
    parts.limits.check_open_page(req.headers)
    parts.check_settings()
    age = await parts.health.check(parts.pubsub)
    return responses.answer_json({"status": "ok"}, Age=str(age))


@app.route("demo", methods=["GET"])
@responses.http_answers
async def demo(req: func.HttpRequest) -> func.HttpResponse:
    """Return the demo page, where it is switched on."""
    parts.limits.check_open_page(req.headers)
    check_page(parts.settings)
    return responses.answer_page(*parts.page)
