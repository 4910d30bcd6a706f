"""The check `negotiate`, in every authentication mode: what callers get, with and without login."""

import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import jwt

from localdev.doctor.calls import Answer, Kind
from localdev.doctor.context import Context, Token
from localdev.doctor.findings import Finding, failure, fine
from localdev.doctor.fixes import ADD_UNITS, ROLE
from localdev.doctor.identity_provider import find_fault, find_issuer

NEGOTIATE = "/api/negotiate"
LOGIN = "easyauth or oidc"  # these two modes look the same from outside


@dataclass(frozen=True, slots=True)
class Caller:
    """How to call negotiate: with these headers, and with a user id if the mode allows one."""

    headers: dict[str, str] = field(default_factory=dict, repr=False)
    may_choose_name: bool = False


async def check_negotiate(context: Context) -> Finding:
    """Check that negotiate does what its mode promises; without credentials that may be 401."""
    answer = await context.ask_app("GET", f"{NEGOTIATE}?{_query(context)}")
    if answer.status == 200:
        context.mode = "local"
        return _accept(context, answer)
    if answer.status == 405:
        return await _check_without_function_key(context)
    if answer.status == 401:
        return await _check_401(context, answer)
    return _judge_failure(context, answer, "GET")


async def _check_without_function_key(context: Context) -> Finding:
    # The host required no function key and the app only allows POST: neither `key` nor `local`.
    answer = await call_negotiate(context, Caller())
    if answer.status == 200:
        context.mode = "anonymous"
        return _accept(context, answer)
    if answer.status != 401:
        return _judge_failure(context, answer, "POST")
    return await _check_login(context)


async def _check_401(context: Context, answer: Answer) -> Finding:
    if answer.is_platform_login:
        return await _check_login(context)
    context.mode = "key"
    key = context.target.function_key
    if key is None:
        return fine(
            "key mode: 401 without a function key, as expected (--function-key-from-env tests more)"
        )
    answer = await call_negotiate(context, _with_function_key(key))
    if answer.status == 401:
        saw = "negotiate returned 401 for the function key"
        means = "The key is not a function key of this app."
        return failure(saw, means, context.fixes.use_function_key())
    return _judge(context, answer)


async def _check_login(context: Context) -> Finding:
    context.mode = LOGIN
    bearer = context.target.bearer
    if bearer is None:
        return await _check_provider(context)
    answer = await call_negotiate(context, _with_bearer(bearer))
    if answer.status == 401:
        return _judge_rejected_bearer(bearer)
    if answer.kind == Kind.IDENTITY_PROVIDER_FAILED:
        return await _judge_failed_provider(context, answer)
    return _judge(context, answer)


async def _check_provider(context: Context) -> Finding:
    saw = f"{LOGIN} mode: 401 without credentials, as expected (--bearer-from-env tests more)"
    if context.issuer is None:
        return fine(saw)
    fault = await find_fault(context, context.issuer)
    return fault or fine(f"{saw}; the identity provider publishes its keys")


async def _judge_failed_provider(context: Context, answer: Answer) -> Finding:
    issuer = find_issuer(context)
    if issuer is None:
        return _judge(context, answer)
    saw = f"POST {NEGOTIATE} returned {answer.description}"
    if fault := await find_fault(context, issuer):
        return failure(f"{saw}; {fault.saw}", fault.means, fault.fix)
    means = f"{issuer} answers this machine but not the app."
    return failure(saw, means, context.fixes.let_app_reach_provider(issuer))


def known_caller(context: Context) -> Caller:
    """Return the caller that got a token, so that it can get another one."""
    target = context.target
    if context.mode == "local":
        return Caller(may_choose_name=True)
    if context.mode == "key":
        return _with_function_key(target.function_key or "")
    return _with_bearer(target.bearer) if context.mode == LOGIN and target.bearer else Caller()


def _with_function_key(key: str) -> Caller:
    return Caller(headers={"x-functions-key": key}, may_choose_name=True)


def _with_bearer(bearer: str) -> Caller:
    return Caller(headers={"Authorization": f"Bearer {bearer}"})


async def call_negotiate(context: Context, caller: Caller, user_id: str | None = None) -> Answer:
    """Ask for a token by POST. Raises UnreachableError."""
    name = (user_id or context.user_id) if caller.may_choose_name else None
    wanted = {"userId": name, "group": context.target.group}
    body = json.dumps({key: value for key, value in wanted.items() if value is not None})
    headers = {"Content-Type": "application/json", **caller.headers}
    return await context.ask_app("POST", NEGOTIATE, headers, body.encode())


def _query(context: Context) -> str:
    group = {"group": context.target.group} if context.target.group else {}
    return urlencode({"userId": context.user_id, **group})


def _judge(context: Context, answer: Answer) -> Finding:
    if answer.status == 200:
        return _accept(context, answer)
    return _judge_failure(context, answer, "POST")


def _accept(context: Context, answer: Answer) -> Finding:
    context.token, context.token_received_at = read_token(answer.body), time.time()
    if context.token is None:
        saw = "negotiate returned 200 without a client URL"
        return failure(saw, "Another app runs at this address.", context.fixes.deploy())
    who = f"{context.token.user_id}, groups {', '.join(context.token.groups)}"
    return fine(f"{context.mode} mode: token for {who}")


def read_token(body: dict[str, Any]) -> Token | None:
    """Return the token in an answer of negotiate; None if another app answered."""
    try:
        issued = jwt.decode(body["token"], options={"verify_signature": False}).get("iat")
        return Token(
            url=body["url"],
            base_url=body["baseUrl"],
            hub=body["hub"],
            user_id=body["userId"],
            groups=tuple(body["groups"]),
            issued_at=issued,
            visit=body.get("visit"),
        )
    except (KeyError, TypeError, jwt.PyJWTError):
        return None


def _judge_failure(context: Context, answer: Answer, method: str) -> Finding:
    saw = f"{method} {NEGOTIATE} returned {answer.description}"
    return _judge_kind(context, answer.kind, saw) or _judge_status(context, answer.status, saw)


def _judge_kind(context: Context, kind: str | None, saw: str) -> Finding | None:
    """Judge a problem of the app by its type; None if the type says no more than the status."""
    fixes = context.fixes
    match kind:
        case Kind.MODE_NOT_SET:
            means = "Without an authentication mode, negotiate rejects every caller."
            return failure(saw, means, fixes.change_setting("USHER_AUTH", "MODE"))
        case Kind.IDENTITY_PROVIDER_FAILED:
            means = "The app cannot get the identity provider's keys, so it cannot verify tokens."
            return failure(saw, means, fixes.correct_issuer("ISSUER"))
        case Kind.FORBIDDEN:
            means = f"The policy does not allow {context.user_id} to join this group."
            return failure(saw, means, fixes.choose_group())
        case Kind.SERVICE_FAILED | Kind.SERVICE_UNANSWERED:
            means = (
                "Web PubSub answers the app but issues no tokens: the role of the app's identity "
                f"allows less than {ROLE}."
            )
            return failure(saw, means, fixes.assign_role())
        case Kind.SERVICE_THROTTLED:
            means = "Web PubSub receives more requests than its units allow."
            return failure(saw, means, ADD_UNITS)
    return None


def _judge_status(context: Context, status: int, saw: str) -> Finding:
    match status:
        case 301 | 302 | 303 | 307 | 308:
            means = "App Service Authentication redirects callers to a login page."
            fix = "Let it answer 401 instead (`unauthenticatedClientAction` Return401)."
            return failure(saw, means, fix)
        case 429:
            means = "Too many calls came from this address, by the doctor or by others."
            return failure(saw, means, "Wait a minute, and run the doctor again.")
        case 404:
            means = "The function negotiate did not load, or is disabled."
            return failure(saw, means, context.fixes.load_functions())
    return failure(saw, "The app issues no tokens.", context.fixes.read_log())


def _judge_rejected_bearer(bearer: str) -> Finding:
    # The finding quotes issuer, audience and expiry, but no claim about the user.
    saw = "negotiate returned 401 for the bearer token"
    try:
        claims = jwt.decode(bearer, options={"verify_signature": False})
    except jwt.PyJWTError:
        fix = "Put a bearer token into the variable that --bearer-from-env names."
        return failure(saw, "The value is not a JSON Web Token.", fix)
    expires = claims.get("exp")
    if isinstance(expires, int) and expires < time.time():
        ago = f"{(time.time() - expires) / 60:.0f} minutes ago"
        fix = "Get a new token from the identity provider."
        return failure(saw, f"The token expired {ago}.", fix)
    return failure(
        saw,
        f"The app does not accept tokens of {claims.get('iss')} for {claims.get('aud')}.",
        "Set USHER_OIDC_ISSUER and USHER_OIDC_AUDIENCE to exactly these values.",
    )
