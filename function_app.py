"""Every function of the app: register, delegate."""

import functools
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import azure.functions as func

from usher.door import policy
from usher.door.callers import Caller, Credentials, identify_caller, speaks_for_itself
from usher.door.limits import Limits
from usher.door.negotiation import check_method, read_negotiation
from usher.door.policy_file import read_policy
from usher.door.rules import Rules
from usher.fields import read_group, read_optional_text, read_query, read_single
from usher.groups import workflow
from usher.groups.announcements import Style
from usher.groups.digest import Digests
from usher.groups.events import read_event
from usher.groups.provision import provision as run_workflow
from usher.groups.provision_request import read_provision
from usher.groups.roster import Rosters
from usher.groups.workflow import Telling
from usher.logs import log_record, quiet_sdk_logs, redact_all_records
from usher.page import check_page, write_policy
from usher.responses import (
    answer_json,
    answer_page,
    answer_yaml,
    connect_answers,
    http_answers,
    notice_answers,
)
from usher.service.health import Health
from usher.service.signing import Signer
from usher.service.tokens import TokenRequest
from usher.settings import AUTH, Settings

if TYPE_CHECKING:
    from usher.door.oidc import OidcProvider
    from usher.service.pubsub import AzurePubSub

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
# The one setting that is read while indexing, because an authorization level is fixed then.
NEGOTIATE_LEVEL = (
    func.AuthLevel.FUNCTION if os.environ.get(AUTH) == "key" else func.AuthLevel.ANONYMOUS
)
health_state = Health()
rosters = Rosters()
quiet_sdk_logs()
redact_all_records()


@functools.cache
def get_settings() -> Settings:
    """Read on first use: an error while indexing would take every function away."""
    return Settings.from_environ(os.environ)


@functools.cache
def get_rules() -> Rules:
    """The policy, which is read once: another one takes a deployment or a restart."""
    return read_policy(Path(__file__).parent / get_settings().policy_file)


@functools.cache
def get_limits() -> Limits:
    """One a process: each instance counts for itself."""
    return Limits(get_settings())


@functools.cache
def get_digests() -> Digests:
    """One a process: each instance gathers what it sees itself."""
    return Digests(get_settings().digest_above, get_settings().digest_seconds)


@functools.cache
def get_pubsub() -> "AzurePubSub":
    """One client a process. Imported on first use, because the SDK takes longer than the rest."""
    from usher.service.pubsub import AzurePubSub

    return AzurePubSub(get_settings())


@functools.cache
def get_minter() -> workflow.Minter:
    """Who has a key signs, for which nobody needs to be asked and the SDK not to be there."""
    settings = get_settings()
    return Signer(settings) if settings.connection.access_key else get_pubsub()


@functools.cache
def get_identity_provider() -> "OidcProvider":
    """One a process, which remembers the provider's keys. Imported in its mode only."""
    from usher.door.oidc import OidcProvider

    return OidcProvider(get_settings().oidc_issuer, get_settings().oidc_audience)


@functools.cache
def get_page() -> tuple[str, str]:
    """The demo page, which is shipped beside this file, and its Content-Security-Policy."""
    html = (Path(__file__).parent / "web" / "demo.html").read_text("utf-8")
    return html, write_policy(html, get_settings().connection)


async def verify_token(token: str) -> Mapping[str, Any]:
    """The claims of a bearer token that the identity provider issued for this app."""
    return await get_identity_provider().verify(token)


async def identify(req: func.HttpRequest, named_user_id: str | None) -> Caller:
    """Who is calling, and not too often; the address first, because that costs next to nothing."""
    get_limits().check_address(req.headers)
    credentials = Credentials(req.headers, named_user_id)
    caller = await identify_caller(get_settings(), credentials, verify_token)
    get_limits().check_caller(caller.user_id)
    return caller


def on_event(name: str) -> Callable[..., Any]:
    """A system event of the hub. Only an argument that is named `request` gets the payload."""
    return app.generic_trigger(
        arg_name="request",
        type="webPubSubTrigger",
        hub="%WebPubSubHub%",
        eventType="system",
        eventName=name,
    )


@app.route("negotiate", methods=["GET", "POST"], auth_level=NEGOTIATE_LEVEL)
@http_answers
async def negotiate(req: func.HttpRequest) -> func.HttpResponse:
    """Mints a client access token for a user and its groups."""
    settings, rules = get_settings(), get_rules()
    check_method(req.method, settings)
    wish = read_negotiation(req.url, req.get_body(), settings)
    caller = await identify(req, wish.user_id)
    groups = policy.grant_groups(settings, rules, caller, wish.groups)
    roles = policy.grant_roles(rules, caller, groups)
    request = TokenRequest(caller.user_id, groups, roles, wish.minutes)
    token = await workflow.generate_token(get_minter(), request)
    log_record("negotiate", userId=caller.user_id, groups=groups, minutes=wish.minutes)
    return answer_json(
        {
            "url": token.url,
            "baseUrl": token.base_url,
            "token": token.token,
            "hub": settings.hub,
            "userId": caller.user_id,
            "groups": groups,
            "roles": roles,
            "expiresAt": datetime.fromtimestamp(token.expires_at, UTC).isoformat(),
        }
    )


@app.route("groups/{group}/members", methods=["GET"], auth_level=NEGOTIATE_LEVEL)
@http_answers
async def roster(req: func.HttpRequest) -> func.HttpResponse:
    """Tells who is in a group."""
    user_id = read_optional_text(read_single(read_query(req.url), "userId"), "userId")
    group = read_group(req.route_params["group"])
    if not speaks_for_itself(get_settings(), user_id):
        policy.check_roster(get_rules(), await identify(req, user_id), group)
    return answer_json(await rosters.read(get_pubsub(), group))


@app.route("provision", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@http_answers
async def provision(req: func.HttpRequest) -> func.HttpResponse:
    """Runs the whole workflow for a connection that is open already; for administrators."""
    settings = get_settings()
    wish = read_provision(req.get_body(), settings)
    roles = policy.provision_roles(settings, get_rules(), wish.user_id, wish.group)
    return answer_json(await run_workflow(get_pubsub(), settings.hub, wish, roles))


@on_event("connect")
@connect_answers
async def connect(request: str) -> dict[str, Any]:
    """Admits a client and notes its groups, which no later event tells."""
    settings = get_settings()
    event = read_event(request, "connect", settings)
    policy.check_origins(settings, event.client_origins)
    policy.check_new_state(event.states)
    groups = policy.admit_groups(settings, get_rules(), event.user_id, event.token_groups)
    # Not `groups`: the service would put them in the place of the token's.
    return {"userId": event.user_id, "states": {policy.GROUPS_STATE: groups}}


@on_event("connected")
@notice_answers
async def connected(request: str) -> None:
    """Adds the connection to its groups and announces the join."""
    settings = get_settings()
    event = read_event(request, "connected", settings)
    groups = policy.groups_of(settings, event.states)
    style = Style(settings.join_text, settings.announcement_format)
    await workflow.join_groups(get_pubsub(), event, groups, Telling(style, get_digests()))


@on_event("disconnected")
@notice_answers
async def disconnected(request: str) -> None:
    """Announces the leave."""
    settings = get_settings()
    event = read_event(request, "disconnected", settings)
    groups = policy.groups_of(settings, event.states)
    style = Style(settings.leave_text, settings.announcement_format)
    await workflow.leave_groups(get_pubsub(), event, groups, Telling(style, get_digests()))


@app.route("openapi.yaml", methods=["GET"])
@http_answers
async def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """The description of all of this, which is shipped beside this file."""
    return answer_yaml((Path(__file__).parent / "api" / "openapi.yaml").read_text("utf-8"))


@app.route("health", methods=["GET"])
@http_answers
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """200 when settings and policy are valid and the service answers; 503 otherwise."""
    get_rules()
    await health_state.check(get_pubsub())
    return answer_json({"status": "ok"})


@app.route("demo", methods=["GET"])
@http_answers
async def demo(req: func.HttpRequest) -> func.HttpResponse:
    """A page to see it all with, where it is switched on."""
    check_page(get_settings())
    return answer_page(*get_page())
