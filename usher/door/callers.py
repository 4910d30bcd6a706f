"""Who is calling, by authentication mode. The mode is `USHER_AUTH`; without one nobody gets in."""

import base64
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from usher.errors import BadRequestError, ForbiddenError, NoModeError, UnauthorizedError
from usher.settings import AUTH, Settings, is_user_id

type Verify = Callable[[str], Awaitable[Mapping[str, Any]]]

PRINCIPAL = "x-ms-client-principal"
NOT_KNOWN = "The caller is not known. Sign in and try again."


@dataclass(frozen=True)
class Caller:
    """Somebody whose user id is settled, with the claims that were verified with it.

    A claim has one value or several; whatever is no text is left out.
    """

    user_id: str
    claims: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Credentials:
    """What a request says of its caller: headers, names in lower case, and a user id."""

    headers: Mapping[str, str]
    named_user_id: str | None


async def identify_caller(
    settings: Settings, credentials: Credentials, verify_token: Verify
) -> Caller:
    """`verify_token` gives the claims of a bearer token that holds.

    Raises NoModeError where no mode is set, UnauthorizedError for a caller who is not known,
    ForbiddenError for one who claims to be somebody else, BadRequestError for a bad user id.
    """
    named = credentials.named_user_id
    match settings.auth:
        case "local":
            return _trust_request(named)
        case "anonymous":
            return _invent_guest(named)
        case "key":
            return _trust_backend(named)
        case "easyauth":
            return _agree(*_read_principal(settings, credentials.headers), named)
        case "oidc":
            claims = await verify_token(_read_bearer(credentials.headers))
            return _agree(claims.get(settings.user_claim or "sub"), claims, named)
    raise NoModeError(f"The app cannot identify callers: {AUTH} is not set.")


def speaks_for_itself(settings: Settings, named_user_id: str | None) -> bool:
    """A backend, known by its function key, that names no user."""
    return settings.auth == "key" and named_user_id is None


def _trust_request(named: str | None) -> Caller:
    """Whoever the request says, or a guest, because announcements need a name."""
    return _invent_guest(None) if named is None else Caller(_check_user_id(named))


def _invent_guest(named: str | None) -> Caller:
    if named is not None:
        raise BadRequestError("Anonymous callers cannot choose their userId.", field="userId")
    return Caller(f"guest-{secrets.token_hex(4)}")


def _trust_backend(named: str | None) -> Caller:
    """The Functions host has checked the key; who holds it speaks for its users."""
    if named is None:
        raise BadRequestError("userId is required from a backend.", field="userId")
    return Caller(_check_user_id(named))


def _read_principal(
    settings: Settings, headers: Mapping[str, str]
) -> tuple[object, Mapping[str, Any]]:
    # Anybody can send these headers. Where App Service Authentication is on, it removes a
    # caller's own before it sets them (App Service documentation, "Access user identities").
    if not settings.platform_auth:
        raise UnauthorizedError(NOT_KNOWN)
    claims = _read_principal_claims(headers.get(PRINCIPAL, ""))
    if settings.user_claim is None:
        return headers.get(f"{PRINCIPAL}-id"), claims
    values = claims.get(settings.user_claim, [])
    return values[0] if len(values) == 1 else None, claims


def _read_principal_claims(header: str) -> Mapping[str, list[Any]]:
    """The values of each claim; the header repeats one that has several."""
    claims: dict[str, list[Any]] = {}
    if not header:
        return claims
    try:
        for claim in json.loads(base64.b64decode(header))["claims"]:
            claims.setdefault(claim["typ"], []).append(claim["val"])
    except (KeyError, TypeError, ValueError):
        raise UnauthorizedError(NOT_KNOWN) from None
    return claims


def _read_bearer(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError(NOT_KNOWN)
    return token.strip()


def _agree(verified: object, claims: Mapping[str, Any], named: str | None) -> Caller:
    """The verified user, whose id the request may repeat and not contradict."""
    if not isinstance(verified, str) or not is_user_id(verified):
        raise UnauthorizedError(NOT_KNOWN)
    if named not in (None, verified):
        raise ForbiddenError("The caller is somebody else than userId says.", field="userId")
    return Caller(verified, {name: _texts(value) for name, value in claims.items()})


def _texts(value: object) -> frozenset[str]:
    values = value if isinstance(value, list) else [value]
    return frozenset(text for text in values if isinstance(text, str))


def _check_user_id(user_id: str) -> str:
    if not is_user_id(user_id):
        raise BadRequestError(
            "userId must not be blank and must have printable characters only.", field="userId"
        )
    return user_id
