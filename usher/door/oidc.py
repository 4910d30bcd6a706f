"""Verifies bearer tokens of an OpenID Connect provider. The policy decides what they allow."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import jwt
from aiohttp import ClientError, ClientSession

from usher.errors import UnauthorizedError, UsherError
from usher.logs import log_record
from usher.settings import LOOPBACK_HOSTS

type Key = Mapping[str, Any]  # a JSON Web Key, RFC 7517

# Algorithm -> the `kty` and `crv` that a key for it has (RFC 7518, section 3.1; RFC 8037, section
# 3.1). All are asymmetric: a public key must never serve as a shared secret.
RSA: Sequence[tuple[str, str | None]] = [("RSA", None)]
ALGORITHMS: Mapping[str, Sequence[tuple[str, str | None]]] = {
    **{"RS256": RSA, "RS384": RSA, "RS512": RSA, "PS256": RSA, "PS384": RSA, "PS512": RSA},
    "ES256": [("EC", "P-256")],
    "ES384": [("EC", "P-384")],
    "ES512": [("EC", "P-521")],
    "EdDSA": [("OKP", "Ed25519"), ("OKP", "Ed448")],
}
# The types of tokens for an API (RFC 7519, section 5.1; RFC 9068, section 2.1). A token without a
# type is accepted, too. The provider signs other tokens with the same keys.
TOKEN_TYPES = ("jwt", "at+jwt")
# The claims `typ` of Keycloak and `token_use` of Amazon Cognito say which token it is.
KIND_CLAIMS = ("typ", "token_use")
ACCESS_KINDS = ("bearer", "access")
FOREIGN_KINDS = ("id", "refresh", "offline", "logout")
# Only ID tokens and logout tokens have these (OpenID Connect Core 1.0, sections 2 and 3.3.2.11;
# FAPI 1.0 Advanced, section 5.1; Back-Channel Logout 1.0, section 2.4), except for `nonce`.
FOREIGN_CLAIMS = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})
# The client that got the token (OpenID Connect Core 1.0, section 2; RFC 9068, section 2.2;
# Microsoft Entra, version 1 tokens).
CLIENT_CLAIMS = ("azp", "client_id", "appid")
REQUIRED_CLAIMS = ["exp", "iat", "iss", "aud", "sub"]
LEEWAY_SECONDS = 60  # allowed difference of the clocks of the provider and the app
LONGEST_TOKEN = 8 * 1024  # characters

DISCOVERY_PATH = "/.well-known/openid-configuration"
LONGEST_ANSWER = 256 * 1024  # bytes
ANSWER_SECONDS = 5.0  # for the discovery document and the key set together
FRESH_SECONDS = 60 * 60.0  # keys are used for this time without a refresh
USABLE_SECONDS = 24 * 60 * 60.0  # and for this time if the provider does not answer
PAUSE_SECONDS = 30.0  # between two refreshes while there are keys
PAUSE_SECONDS_WITHOUT_KEYS = 5.0

REASONS: Mapping[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "early",
    jwt.InvalidAudienceError: "audience",
    jwt.InvalidIssuerError: "issuer",
    jwt.InvalidKeyError: "key",
    jwt.InvalidSignatureError: "signature",
    jwt.MissingRequiredClaimError: "claims",
}


class TokenRefusedError(UnauthorizedError):
    """The token is not valid. `reason` is for the log; callers get no reason."""

    def __init__(self, reason: str) -> None:
        super().__init__("The bearer token is not valid.", log_text=reason)


class IdentityProviderError(
    UsherError, status=503, kind="identity-provider-failed", title="The identity provider failed"
):
    """The provider did not answer with its keys. `reason` is for the log; callers get none."""

    def __init__(self, reason: str) -> None:
        super().__init__("The identity provider does not answer.", log_text=reason)


class OidcProvider:
    """A provider. One per process, because it caches the provider's keys."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        clients: frozenset[str] = frozenset(),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set up a provider. `issuer` is an https URL, or http on this machine.

        `clients` are the clients whose tokens are accepted; empty for all.
        `clock` returns seconds, for the age of the keys; the times of a token are compared with
        the real time.
        """
        self._issuer = issuer
        self._audience = audience
        self._clients = clients
        self._keys = KeyCache(issuer, clock)

    async def verify(self, token: str) -> Mapping[str, Any]:
        """Return the claims (OpenID Connect Core 1.0, section 3.1.3.7; RFC 7519, section 7.2).

        Raises TokenRefusedError, or IdentityProviderError if the provider's keys are not known.
        """
        try:
            algorithm, kid = read_header(token)
            key = await self._keys.find(algorithm, kid)
            return _attempt(lambda: self._read_claims(token, jwt.PyJWK(dict(key), algorithm)))
        except TokenRefusedError as error:
            log_record("token-refused", reason=str(error))
            raise

    def _read_claims(self, token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
        claims = jwt.decode(
            token,
            key,  # bound to one algorithm, which the header of the token must have
            algorithms=list(ALGORITHMS),
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_SECONDS,
            options={"require": REQUIRED_CLAIMS, "enforce_minimum_key_length": True},
        )
        if not claims["sub"]:
            raise TokenRefusedError("claims")
        check_kind(claims)
        check_client(claims, self._clients)
        return claims


class KeyCache:
    """The provider's keys: requested when they are needed, with a pause between requests."""

    def __init__(self, issuer: str, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: Sequence[Key] = []
        self._fetched_at = float("-inf")
        self._quiet_until = float("-inf")
        self._is_failing = False

    async def find(self, algorithm: str, kid: str | None) -> Key:
        """Return a key. Raises TokenRefusedError, or IdentityProviderError if the key may exist."""
        if self._must_refresh(kid):
            async with self._lock:
                if self._must_refresh(kid):  # unless another caller just did
                    await self._refresh()
        if not self._may_decide(kid):
            raise IdentityProviderError("no usable keys")
        return choose_key(self._keys, algorithm, kid)

    def _must_refresh(self, kid: str | None) -> bool:
        is_known = kid is None or self._knows(kid)
        is_settled = is_known and self._age < FRESH_SECONDS
        return not is_settled and self._clock() >= self._quiet_until

    def _may_decide(self, kid: str | None) -> bool:
        """Old keys may verify a token that has a key id, but not decide that a key is unknown."""
        if kid is not None and self._knows(kid):
            return self._age <= USABLE_SECONDS
        return self._age < FRESH_SECONDS and (kid is None or not self._is_failing)

    async def _refresh(self) -> None:
        was_fresh = self._age < FRESH_SECONDS
        try:
            self._keys = await _fetch_keys(self._issuer)
            self._fetched_at = self._clock()
            self._is_failing = False
        except IdentityProviderError as error:
            log_record("identity-provider", logging.ERROR, failure=str(error))
            self._is_failing = True
        # Expired keys can be refreshed again at once, because a new key may follow; an invented key
        # id and a failing provider have to wait.
        if was_fresh or self._is_failing:
            self._quiet_until = self._clock() + self._pause

    @property
    def _age(self) -> float:
        return self._clock() - self._fetched_at

    @property
    def _pause(self) -> float:
        has_keys = self._age <= USABLE_SECONDS
        return PAUSE_SECONDS if has_keys else PAUSE_SECONDS_WITHOUT_KEYS

    def _knows(self, kid: str) -> bool:
        return any(key.get("kid") == kid for key in self._keys)


def read_header(token: str) -> tuple[str, str | None]:
    """Return algorithm and key id of a token, not verified. Raises TokenRefusedError."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise TokenRefusedError("malformed")
    header = _attempt(lambda: jwt.get_unverified_header(token))
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefusedError("algorithm")
    if str(header.get("typ", "jwt")).lower().removeprefix("application/") not in TOKEN_TYPES:
        raise TokenRefusedError("type")
    return algorithm, header.get("kid")


def check_kind(claims: Mapping[str, Any]) -> None:
    """Raise TokenRefusedError for an ID token and other tokens that are not for an API."""
    kinds = {str(claims[name]).lower() for name in KIND_CLAIMS if name in claims}
    # Keycloak before version 25 put `nonce` into access tokens too.
    has_foreign_claims = kinds.isdisjoint(ACCESS_KINDS) and bool(FOREIGN_CLAIMS & claims.keys())
    if has_foreign_claims or not kinds.isdisjoint(FOREIGN_KINDS):
        raise TokenRefusedError("type")


def check_client(claims: Mapping[str, Any], clients: frozenset[str]) -> None:
    """Raise TokenRefusedError for a token of another client. Without `clients` all are allowed."""
    named = [claims[name] for name in CLIENT_CLAIMS if name in claims]
    if clients and not (named and all(isinstance(name, str) and name in clients for name in named)):
        raise TokenRefusedError("client")


def choose_key(keys: Sequence[Key], algorithm: str, kid: str | None) -> Key:
    """Return the only matching key; a token without a key id must match exactly one.

    OpenID Connect Core 1.0, section 10.1. Raises TokenRefusedError.
    """
    named = [key for key in keys if kid is None or key.get("kid") == kid]
    matching = [key for key in named if _matches(key, algorithm)]
    if len(matching) != 1:
        raise TokenRefusedError("key")
    return matching[0]


def _matches(key: Key, algorithm: str) -> bool:
    """Compare `kty`, and `use` and `alg` where they are present (RFC 7517, section 4)."""
    has_shape = (key.get("kty"), key.get("crv")) in ALGORITHMS[algorithm]
    is_for_it = key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm
    is_private = "d" in key  # a published private key proves nothing
    return has_shape and is_for_it and not is_private


def read_jwks_uri(discovery: object, issuer: str) -> str:
    """Return the URL of the keys (OpenID Connect Discovery 1.0, sections 3 and 4.3).

    Raises IdentityProviderError, and ValueError for a malformed URL.
    """
    if not isinstance(discovery, dict) or discovery.get("issuer") != issuer:
        raise IdentityProviderError("discovery document of another issuer")
    uri = discovery.get("jwks_uri")
    parts = urlsplit(uri if isinstance(uri, str) else "")
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if parts.scheme != "https" and not is_local:
        raise IdentityProviderError("jwks_uri that is not https")
    return parts.geturl()


def read_keys(key_set: object) -> Sequence[Key]:
    """Return the keys of a JWK set (RFC 7517, section 5). Raises IdentityProviderError.

    An empty set is valid: the provider has withdrawn its keys.
    """
    keys = key_set.get("keys") if isinstance(key_set, dict) else None
    if not isinstance(keys, list):
        raise IdentityProviderError("no key set")
    return [key for key in keys if isinstance(key, dict)]


async def _fetch_keys(issuer: str) -> Sequence[Key]:
    """Request discovery document and keys. Raises IdentityProviderError."""
    # A new session each time, because there are about two requests an hour. Not compressed, so that
    # the length limit holds for what the provider sent.
    session = ClientSession(headers={"Accept-Encoding": "identity"}, auto_decompress=False)
    # Discovery, section 4.1: remove a slash at the end of the issuer.
    discovery_url = issuer.removesuffix("/") + DISCOVERY_PATH
    try:
        async with session, asyncio.timeout(ANSWER_SECONDS):
            jwks_uri = read_jwks_uri(await _fetch_json(session, discovery_url), issuer)
            return read_keys(await _fetch_json(session, jwks_uri))
    except (ClientError, OSError, ValueError, RecursionError) as error:
        raise IdentityProviderError(type(error).__name__) from None


async def _fetch_json(session: ClientSession, url: str) -> object:
    body = bytearray()
    async with session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise IdentityProviderError(f"answered {response.status}")
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > LONGEST_ANSWER:
                raise IdentityProviderError("answer too long")
    return json.loads(body)


def _attempt[T](step: Callable[[], T]) -> T:
    """Return the step's result. Raises TokenRefusedError for an error of PyJWT."""
    try:
        return step()
    except jwt.PyJWTError as error:
        reason = REASONS.get(type(error), "malformed")
    # Outside of the handler, because an error raised in it would keep PyJWT's error as its context,
    # and that may contain parts of the token or the key.
    raise TokenRefusedError(reason)
