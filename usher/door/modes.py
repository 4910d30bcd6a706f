"""The authentication modes: one class for each value of `USHER_AUTH`, all in the table `MODES`."""

import base64
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from usher.door.callers import Caller, Credentials, VerifyToken
from usher.errors import BadRequestError, ForbiddenError, NoModeError, UnauthorizedError
from usher.logs import note
from usher.names import NAME_RULE, is_printable_id

AUTH = "USHER_AUTH"
OIDC_ISSUER = "USHER_OIDC_ISSUER"
OIDC_AUDIENCE = "USHER_OIDC_AUDIENCE"
PRINCIPAL = "x-ms-client-principal"
PROVIDER = re.compile(r"[\w.-]+")  # no colon: a user id shows where the provider's name ends
UNKNOWN_CALLER = "The caller is not authenticated. Sign in and try again."


@dataclass(frozen=True, slots=True)
class Mode:
    """How callers are authenticated, and what follows from it.

    `user_claim` is the claim that has the user id; None is the mode's usual claim.
    `has_platform_auth` is True where App Service Authentication is on, and `provider` is its only
    identity provider; None if it may have several.
    """

    user_claim: str | None = None
    has_platform_auth: bool = False
    provider: str | None = None

    name: ClassVar[str] = ""
    about: ClassVar[str] = ""  # how callers are authenticated, for people
    required_settings: ClassVar[tuple[str, ...]] = ()
    # With FUNCTION, the Functions host asks for a function key before it calls the app.
    key_level: ClassVar[str] = "ANONYMOUS"
    may_run_in_azure: ClassVar[bool] = True
    # GET is for trying things out: a foreign page can make a browser send it.
    allows_get: ClassVar[bool] = False
    allows_any_origin: ClassVar[bool] = False
    has_caller_limit: ClassVar[bool] = True
    has_address_limit: ClassVar[bool] = True

    async def identify(self, credentials: Credentials, verify: VerifyToken) -> Caller:
        """Return the caller. `verify` returns the claims of a valid bearer token.

        Raises NoModeError if no mode is set, UnauthorizedError without valid credentials,
        ForbiddenError if the request asks for another user, BadRequestError for an invalid user id.
        """
        raise NotImplementedError

    def needs_no_caller(self, user_id: str | None) -> bool:
        """Return whether a request that asks for this user id, or none, needs no caller."""
        return False


class NoMode(Mode):
    """`USHER_AUTH` is not set, so no caller is admitted."""

    about = f"nobody is admitted, because {AUTH} is not set"
    allows_get = True  # its answer names the missing setting, as for POST

    async def identify(self, credentials: Credentials, verify: VerifyToken) -> Caller:
        """Raise NoModeError."""
        raise NoModeError(f"The app cannot identify callers: {AUTH} is not set.")


class EasyAuth(Mode):
    """App Service Authentication has signed the caller in."""

    name = "easyauth"
    about = "App Service Authentication signs callers in, only in Azure"

    async def identify(self, credentials: Credentials, verify: VerifyToken) -> Caller:
        """Return the caller of the platform's headers, or of the claim that is set."""
        # Anybody can send these headers. Where App Service Authentication is on, it removes them
        # from a request and sets its own (App Service documentation, "Access user identities").
        if not self.has_platform_auth:
            raise UnauthorizedError(UNKNOWN_CALLER, log_text="no App Service Authentication")
        claims = _read_principal(credentials.headers.get(PRINCIPAL, ""))
        if self.user_claim is None:
            user_id: object = credentials.headers.get(f"{PRINCIPAL}-id")
        else:
            values = claims.get(self.user_claim, [])
            user_id = values[0] if len(values) == 1 else None
        prefix = self._read_prefix(credentials.headers.get(f"{PRINCIPAL}-idp", ""))
        return _verified_caller(user_id, claims, credentials.user_id, prefix)

    def _read_prefix(self, provider: str) -> str:
        """Return what makes the provider's user ids unique: nothing if there is one provider."""
        if not PROVIDER.fullmatch(provider) or self.provider not in (None, provider):
            raise UnauthorizedError(UNKNOWN_CALLER, log_text="another identity provider")
        return "" if self.provider else f"{provider}:"


class Oidc(Mode):
    """The request has a bearer token of an OpenID Connect provider."""

    name = "oidc"
    about = "callers send a bearer token of the OpenID Connect provider"
    required_settings = (OIDC_ISSUER, OIDC_AUDIENCE)

    async def identify(self, credentials: Credentials, verify: VerifyToken) -> Caller:
        """Return the caller of the token's subject, or of the claim that is set."""
        claims = await verify(_read_bearer(credentials.headers))
        user_id = claims.get(self.user_claim or "sub")
        return _verified_caller(user_id, claims, credentials.user_id)


class Key(Mode):
    """A backend has the function key, and asks for tokens of its users."""

    name = "key"
    about = "a backend with the function key names its users"
    key_level = "FUNCTION"
    has_address_limit = False  # a backend calls for all its users from one address

    async def identify(self, credentials: Credentials, verify: VerifyToken) -> Caller:
        """Return the user that the backend names."""
        if credentials.user_id is None:
            raise BadRequestError("userId is required from a backend.", field="userId")
        return Caller(_check_user_id(credentials.user_id))

    def needs_no_caller(self, user_id: str | None) -> bool:
        """Return True if the backend asks on its own behalf."""
        return user_id is None


class Anonymous(Mode):
    """Every caller is a new guest."""

    name = "anonymous"
    about = "every caller is a new guest"

    async def identify(self, credentials: Credentials, verify: VerifyToken) -> Caller:
        """Return a new guest; callers cannot choose their user id."""
        if credentials.user_id is not None:
            raise BadRequestError("Anonymous callers cannot choose their userId.", field="userId")
        return _new_guest()


class Local(Mode):
    """Development: the app believes every request, and has no limits."""

    name = "local"
    about = "callers name themselves, for development only"
    may_run_in_azure = False
    allows_get = True
    allows_any_origin = True
    has_caller_limit = False
    has_address_limit = False

    async def identify(self, credentials: Credentials, verify: VerifyToken) -> Caller:
        """Return the user that the request names, or a new guest."""
        if credentials.user_id is None:
            return _new_guest()
        return Caller(_check_user_id(credentials.user_id))


MODES: Mapping[str, type[Mode]] = {
    mode.name: mode for mode in (EasyAuth, Oidc, Key, Anonymous, Local)
}


def _new_guest() -> Caller:
    return Caller(f"guest-{secrets.token_hex(16)}")  # cannot be guessed, nor collide


def _read_principal(header: str) -> Mapping[str, list[Any]]:
    """Return the values of each claim; the header repeats a claim that has several."""
    claims: dict[str, list[Any]] = {}
    if not header:
        return claims
    try:
        for claim in json.loads(base64.b64decode(header))["claims"]:
            claims.setdefault(claim["typ"], []).append(claim["val"])
    except (KeyError, TypeError, ValueError):
        raise UnauthorizedError(UNKNOWN_CALLER, log_text="malformed principal") from None
    return claims


def _read_bearer(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError(UNKNOWN_CALLER, log_text="no bearer token")
    return token.strip()


def _verified_caller(
    user_id: object, claims: Mapping[str, Any], asked: str | None, prefix: str = ""
) -> Caller:
    """Return the verified user; the request may repeat the user id, but not ask for another."""
    if not isinstance(user_id, str) or not is_printable_id(user_id):
        raise UnauthorizedError(UNKNOWN_CALLER, log_text="no valid user id")
    user_id = prefix + user_id
    note("userId", user_id)
    if asked not in (None, user_id):
        raise ForbiddenError("userId is not the id of the authenticated caller.", field="userId")
    return Caller(user_id, {name: _texts(value) for name, value in claims.items()})


def _texts(value: object) -> frozenset[str]:
    values = value if isinstance(value, list) else [value]
    return frozenset(text for text in values if isinstance(text, str))


def _check_user_id(user_id: str) -> str:
    if not is_printable_id(user_id):
        raise BadRequestError(f"userId must {NAME_RULE}.", field="userId")
    return user_id
