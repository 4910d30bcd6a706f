"""The checks `webhook` and `connect`: does the app accept what Web PubSub sends."""

from localdev.doctor.calls import Answer
from localdev.doctor.context import Context
from localdev.doctor.events import can_send_events, send_connect, validate
from localdev.doctor.findings import Finding, failure, fine, skipped, warning
from localdev.host.states import decode_states

FOREIGN_SERVICE = "foreign.example"  # a host that is not the app's Web PubSub
GROUPS_STATE, SEAL_STATE = "groups", "seal"


async def check_webhook(context: Context) -> Finding:
    """Check that the webhook accepts the app's service, and neither wrong keys nor other hosts."""
    host = context.service_host
    if host is None:
        return skipped("the address of Web PubSub is unknown (pass --web-pubsub)")
    answer = await validate(context, None, host)
    context.requires_key = answer.status == 401
    if context.requires_key:
        return await _check_key(context, host)
    if answer.status == 200 and not context.target.is_local:
        return _judge_missing_protection(context, "OPTIONS without a key returned 200")
    return await _judge_validation(context, answer, host)


async def _check_key(context: Context, host: str) -> Finding:
    key = context.target.system_key
    if key is None:
        return skipped("401 without a key, as expected (--key-from-env tests more)")
    wrong = await validate(context, "wrong", host)
    if wrong.status != 401:
        saw = f"OPTIONS with a wrong key returned {wrong.status}"
        return _judge_missing_protection(context, saw)
    return await _judge_validation(context, await validate(context, key, host), host)


def _judge_missing_protection(context: Context, saw: str) -> Finding:
    means = "Anyone who knows the URL can send events."
    return failure(saw, means, context.fixes.require_key())


async def _judge_validation(context: Context, answer: Answer, host: str) -> Finding:
    saw = f"OPTIONS from {host} returned {answer.status}"
    fixes = context.fixes
    match answer.status:
        case 200:
            return await _check_foreign_service(context, host)
        case 401 if answer.is_platform_login:
            means = "App Service Authentication rejects the request before the host checks the key."
            return failure(saw, means, fixes.exclude_webhook())
        case 401 | 403:  # 403 for a key of the app that is not for this webhook (recorded)
            means = "The key is not this app's system key webpubsub_extension."
            return failure(saw, means, fixes.use_system_key())
        case 404:
            return failure(saw, _no_function(context), fixes.load_functions())
        case 400:
            return await _judge_bad_request(context, saw)
        case 500 | 502 | 503:
            means = "The Functions host does not run, or is still starting."
            return failure(saw, means, fixes.read_log())
    means = "The program at this address has no webhook for events of Web PubSub."
    return failure(saw, means, fixes.deploy())


async def _judge_bad_request(context: Context, saw: str) -> Finding:
    # A validation gets 400 in both cases; an event without a function for it gets 404.
    if (await send_connect(context)).status == 404:
        return failure(saw, _no_function(context), context.fixes.load_functions())
    means = f"The app's connection setting names another service than {context.service_host}."
    return failure(saw, means, context.fixes.set_connection())


async def _check_foreign_service(context: Context, host: str) -> Finding:
    answer = await validate(context, context.target.system_key, FOREIGN_SERVICE)
    if answer.status == 400:
        key = "the system key" if context.requires_key else "no key, as usual on this machine"
        return fine(f"accepts {host}, rejects other services, requires {key}")
    return failure(
        f"OPTIONS from {FOREIGN_SERVICE} returned {answer.status}",
        "Without WebPubSubConnectionString, the Functions host accepts events of every service.",
        context.fixes.set_connection(),
    )


def _no_function(context: Context) -> str:
    if context.target.is_local:
        return f"The app has no function for events of the hub {context.hub}."
    return (
        f"The app has no function for events of the hub {context.hub}: the functions did not load, "
        "they are disabled, or the Functions host is older than November 2025 "
        "(azure-functions-host, pull request 11489)."
    )


async def check_connect(context: Context) -> Finding:
    """Check that the app accepts a client, and returns its groups for the later events."""
    if not can_send_events(context):
        needs = "needs the system key (--key-from-env) and the address of Web PubSub"
        return skipped(f"{needs}; only then it shows whether connection states have a seal")
    answer = await send_connect(context)
    if answer.status != 200:
        return _judge_rejected_connect(context, answer)
    context.connection_state = answer.headers.get("ce-connectionState")
    groups = ", ".join(context.groups)
    states = _read_states(context.connection_state)
    if states.get(GROUPS_STATE) == list(context.groups):
        saw = f"connect accepts a client of the hub {context.hub} with the group {groups}"
        return _judge_seal(context, saw, SEAL_STATE in states)
    return failure(
        f"connect returned 200 without the group {groups} in ce-connectionState",
        "The later events do not contain the groups, so the app adds and announces no client.",
        "Deploy Usher's own connect function, and let no proxy remove response headers.",
    )


def _read_states(state: str | None) -> dict[str, object]:
    try:
        return decode_states(state or "")
    except ValueError:
        return {}


def _judge_seal(context: Context, saw: str, is_sealed: bool) -> Finding:
    # On this machine, where it is usual, the sentence is enough.
    if is_sealed or context.target.is_local:
        return fine(saw if is_sealed else f"{saw}, in a state without a seal")
    means = (
        "The app has neither an access key nor USHER_STATE_KEY, and accepts events without a token "
        "of the service's identity. With the system key alone, a sender can put a connection into "
        "every group that the policy allows to some user."
    )
    return warning(f"{saw}, in a state without a seal", means, context.fixes.set_state_key())


def _judge_rejected_connect(context: Context, answer: Answer) -> Finding:
    text = answer.text.strip()
    saw = f"connect returned {answer.status}{f' ({text})' if text else ''}"
    match answer.status:
        case 404:
            return failure(saw, _no_function(context), context.fixes.load_functions())
        # The app gives a reason for its 401; the Functions host, which checks the signature, sends
        # no body (Microsoft.Azure.WebJobs.Extensions.WebPubSub, WebPubSubTriggerDispatcher.cs).
        case 401 if text:
            return _judge_rejection_by_app(context, saw)
        case 401 if context.access_key is None:
            return skipped("the app requires signed events (--access-key-from-env tests more)")
        case 401:
            means = "The signature was not made with the app's access key."
            return failure(saw, means, context.fixes.set_connection())
    means = "The app fails, and therefore rejects every client."
    return failure(saw, means, context.fixes.read_log())


def _judge_rejection_by_app(context: Context, saw: str) -> Finding:
    if context.token is None:
        return skipped(f"{saw}: without a token, the right group is unknown (try --group)")
    means = "The app rejects a client that has a valid token of the app."
    return failure(saw, means, context.fixes.read_log())
