"""Checks negotiate in whatever mode it is: what strangers are told, and what a caller is given."""

import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import jwt

from localdev.doctor.calls import Answer
from localdev.doctor.findings import Finding, failure, fine, warning
from localdev.doctor.patient import Patient, Token

NEGOTIATE = "/api/negotiate"
LOGIN = "easyauth or oidc"  # which of the two, nobody can tell from outside


@dataclass(frozen=True)
class Caller:
    """How to ask: by GET or POST, with these headers, and with a name where one may be chosen."""

    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    may_choose_name: bool = False


async def check_negotiate(patient: Patient) -> Finding:
    """Right is what the mode promises: without credentials that may be 401."""
    stranger = await patient.ask_app("GET", f"{NEGOTIATE}?{_query(patient, patient.user_id)}")
    if stranger.status == 200:
        patient.mode = "local"
        return _accept(patient, stranger)
    if stranger.status == 405:
        return await _check_without_key(patient)
    if stranger.status == 401:
        return await _check_closed(patient, stranger)
    return _judge_failure(patient, stranger, "GET")


async def _check_without_key(patient: Patient) -> Finding:
    """No function key is asked for, and the mode is not `local`."""
    stranger = await ask(patient, Caller())
    if stranger.status == 200:
        patient.mode = "anonymous"
        return _accept(patient, stranger)
    if stranger.status != 401:
        return _judge_failure(patient, stranger, "POST")
    return await _check_login(patient)


async def _check_closed(patient: Patient, stranger: Answer) -> Finding:
    """By the Functions host, which says nothing else, or by App Service Authentication."""
    if stranger.is_login:
        return await _check_login(patient)
    patient.mode = "key"
    key = patient.target.function_key
    if key is None:
        return fine(
            "key mode: 401 without a function key, as it should be (--function-key-from-env)"
        )
    answer = await ask(patient, _with_key(key))
    if answer.status == 401:
        return failure(
            "negotiate with the function key is answered 401",
            "The key is none of this app's function keys.",
            patient.remedies.show_function_key(),
        )
    return _judge(patient, answer)


async def _check_login(patient: Patient) -> Finding:
    patient.mode = LOGIN
    bearer = patient.target.bearer
    if bearer is None:
        return fine(f"{LOGIN} mode: 401 without credentials, as it should be (--bearer-from-env)")
    answer = await ask(patient, _with_bearer(bearer))
    if answer.status == 401:
        return _judge_refused_bearer(bearer)
    return _judge(patient, answer)


def caller_of(patient: Patient) -> Caller:
    """The caller that was let in, to be asked for once more."""
    target = patient.target
    if patient.mode == "local":
        return Caller(may_choose_name=True)
    if patient.mode == "key":
        return _with_key(target.function_key or "")
    return _with_bearer(target.bearer) if patient.mode == LOGIN and target.bearer else Caller()


def _with_key(key: str) -> Caller:
    return Caller(headers={"x-functions-key": key}, may_choose_name=True)


def _with_bearer(bearer: str) -> Caller:
    return Caller(headers={"Authorization": f"Bearer {bearer}"})


async def ask(patient: Patient, caller: Caller, user_id: str | None = None) -> Answer:
    """One call of negotiate. Raises UnreachableError."""
    name = (user_id or patient.user_id) if caller.may_choose_name else None
    wish = {"userId": name, "group": patient.target.group}
    body = json.dumps({key: value for key, value in wish.items() if value is not None})
    headers = {"Content-Type": "application/json", **caller.headers}
    return await patient.ask_app("POST", NEGOTIATE, headers, body.encode())


def _query(patient: Patient, user_id: str) -> str:
    group = {"group": patient.target.group} if patient.target.group else {}
    return urlencode({"userId": user_id, **group})


def _judge(patient: Patient, answer: Answer) -> Finding:
    if answer.status == 200:
        return _accept(patient, answer)
    return _judge_failure(patient, answer, "POST")


def _accept(patient: Patient, answer: Answer) -> Finding:
    patient.token, patient.asked_at = read_token(answer.body), time.time()
    if patient.token is None:
        means = "Another app answers there."
        return failure("200 without a client URL", means, patient.remedies.deploy())
    who = f"{patient.token.user_id}, groups {', '.join(patient.token.groups)}"
    return fine(f"{patient.mode} mode: 200 for {who}")


def read_token(body: dict[str, Any]) -> Token | None:
    """What negotiate gives; None if something else answered."""
    try:
        issued = jwt.decode(body["token"], options={"verify_signature": False}).get("iat")
        return Token(
            url=body["url"],
            base_url=body["baseUrl"],
            hub=body["hub"],
            user_id=body["userId"],
            groups=tuple(body["groups"]),
            issued_at=issued,
        )
    except (KeyError, TypeError, jwt.PyJWTError):
        return None


def _judge_failure(patient: Patient, answer: Answer, method: str) -> Finding:
    saw = f"{method} {NEGOTIATE} is answered {answer.status}: {answer.problem or 'nothing more'}"
    remedies = patient.remedies
    match answer.status:
        case 301 | 302 | 303 | 307 | 308:
            means = "App Service Authentication sends callers to a login page."
            fix = "Let it answer 401 (`unauthenticatedClientAction` Return401)."
            return failure(saw, means, fix)
        case 403 if answer.problem:
            means = f"The policy does not let {patient.user_id} into that group."
            return warning(saw, means, remedies.choose_group())
        case 429:
            means = "The doctor, or somebody at the same address, called too often."
            return failure(saw, means, "Wait a minute, and try again.")
        case 502 | 504 if answer.problem:
            means = (
                "The service lets the app read and not mint tokens: its identity has a lesser role "
                "than Web PubSub Service Owner."
            )
            return failure(saw, means, remedies.assign_role())
        case 503 if "USHER_AUTH" in (answer.problem or ""):
            means = "Without a mode negotiate is closed."
            return failure(saw, means, remedies.change_setting("USHER_AUTH", "MODE"))
        case 503 if answer.problem:
            means = "The app cannot tell who is calling."
            return failure(saw, means, remedies.correct_issuer())
        case 404:
            means = "The function negotiate is not there: it did not load, or is disabled."
            return failure(saw, means, remedies.load_functions())
    return failure(saw, "The app does not mint tokens.", remedies.read_log())


def _judge_refused_bearer(bearer: str) -> Finding:
    """What the token says of itself, and nothing of its holder."""
    saw = "negotiate with the bearer token is answered 401"
    try:
        claims = jwt.decode(bearer, options={"verify_signature": False})
    except jwt.PyJWTError:
        return failure(saw, "It is no JSON Web Token.", "Put a token into the variable.")
    expires = claims.get("exp")
    if isinstance(expires, int) and expires < time.time():
        ago = f"{(time.time() - expires) / 60:.0f} minutes ago"
        return failure(saw, f"The token expired {ago}.", "Ask the identity provider for a new one.")
    return failure(
        saw,
        f"The app does not take tokens of {claims.get('iss')} for {claims.get('aud')}.",
        "USHER_OIDC_ISSUER and USHER_OIDC_AUDIENCE must be these, to the character.",
    )
