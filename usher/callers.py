"""Who is calling, by authentication mode. The mode is `USHER_AUTH`; without one nobody gets in."""

import base64
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from usher.errors import BadRequestError, ForbiddenError, NotReadyError, UnauthorizedError
from usher.settings import AUTH, Settings

type Verify = Callable[[str], Awaitable[Mapping[str, Any]]]

NOT_KNOWN = "The caller is not known. Sign in and try again."


@dataclass(frozen=True)
class Caller:
    """Somebody whose user id is settled."""

    user_id: str


@dataclass(frozen=True)
class Credentials:
    """What a request says of its caller: headers, names in lower case, and a user id."""

    headers: Mapping[str, str]
    named_user_id: str | None


async def identify_caller(
    settings: Settings, credentials: Credentials, verify_token: Verify
) -> Caller:
    """`verify_token` gives the claims of a bearer token that holds.

    Raises NotReadyError where no mode is set, UnauthorizedError for a caller who is not known,
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
            return _agree(_read_principal(settings, credentials.headers), named)
        case "oidc":
            claims = await verify_token(_read_bearer(credentials.headers))
            return _agree(claims.get(settings.user_claim or "sub"), named)
    raise NotReadyError(f"No way to tell who is calling is set up: {AUTH} is not set.")


async def identify_reader(
    settings: Settings, credentials: Credentials, verify_token: Verify
) -> Caller | None:
    """As `identify_caller`, but None for a backend that names no user: it asks for itself."""
    if settings.auth == "key" and credentials.named_user_id is None:
        return None
    return await identify_caller(settings, credentials, verify_token)


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


def _read_principal(settings: Settings, headers: Mapping[str, str]) -> object:
    # Anybody can send these headers. Where App Service Authentication is on, it removes a
    # caller's own before it sets them (App Service documentation, "Access user identities").
    if not settings.platform_auth:
        raise UnauthorizedError(NOT_KNOWN)
    if settings.user_claim is None:
        return headers.get("x-ms-client-principal-id")
    try:
        principal = json.loads(base64.b64decode(headers["x-ms-client-principal"]))
        claims = {claim["typ"]: claim["val"] for claim in principal["claims"]}
    except (KeyError, TypeError, ValueError):
        raise UnauthorizedError(NOT_KNOWN) from None
    return claims.get(settings.user_claim)


def _read_bearer(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError(NOT_KNOWN)
    return token.strip()


def _agree(verified: object, named: str | None) -> Caller:
    """The verified user id, which the request may repeat and not contradict."""
    if not isinstance(verified, str) or not _is_user_id(verified):
        raise UnauthorizedError(NOT_KNOWN)
    if named not in (None, verified):
        raise ForbiddenError("The caller is somebody else than userId says.", field="userId")
    return Caller(verified)


def _check_user_id(user_id: str) -> str:
    if not _is_user_id(user_id):
        raise BadRequestError(
            "userId must not be blank and must have printable characters only.", field="userId"
        )
    return user_id


def _is_user_id(text: str) -> bool:
    return bool(text.strip()) and text.isprintable()
