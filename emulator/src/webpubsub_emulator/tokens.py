"""Access tokens of clients and REST calls: checking and signing. No HTTP here."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import jwt

# The default access key. Like Azurite's key it is public, so it protects nothing.
ACCESS_KEY = "emulator-key-known-to-everyone-it-guards-nothing"

# The audience of Microsoft Entra tokens for the data plane, and the issuer of client tokens.
SERVICE_AUDIENCE = "https://webpubsub.azure.com"

KEY_ID = "primary"  # the `kid` of client tokens; the service's key ids are opaque too

CLOCK_SKEW_SECONDS = 300
RECONNECTION_MINUTES = 7 * 24 * 60  # validity of a reconnection token; the connection ends earlier

_SCHEMES = ("http", "https", "ws", "wss")


@dataclass(frozen=True, slots=True)
class Client:
    """The values of a client token. `claims` has all its claims, each as a list of texts."""

    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    claims: dict[str, list[str]]


def check_access_key(access_key: str) -> None:
    """Raise ValueError if the key does not fit HS256 or a connection string."""
    if len(access_key.encode()) < 32:
        raise ValueError("The access key must have at least 32 bytes.")
    if ";" in access_key or not access_key.isprintable() or access_key != access_key.strip():
        raise ValueError("The access key must not have semicolons, outer blanks or controls.")


def sign_data_plane_token(access_key: str, *, minutes: int = 60) -> str:
    """Return a token for the whole data plane, which replaces a token of Microsoft Entra."""
    # Differs from Azure: signed with the access key. Entra signs with a key of its own.
    claims = {"aud": SERVICE_AUDIENCE, **_issued(minutes)}
    return jwt.encode(claims, access_key, algorithm="HS256")


def sign_client_token(access_key: str, audience: str, client: Client, minutes: int) -> str:
    """Return a client access token, with the claims of a token from :generateToken."""
    claims: dict[str, Any] = {"aud": audience, **_issued(minutes)}
    if client.user_id:
        claims["sub"] = client.user_id
    if client.roles:
        claims["role"] = _one_or_many(client.roles)
    if client.groups:
        claims["webpubsub.group"] = _one_or_many(client.groups)
    return jwt.encode(claims, access_key, algorithm="HS256", headers={"kid": KEY_ID})


def _issued(minutes: int) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": SERVICE_AUDIENCE, "iat": now, "nbf": now, "exp": now + minutes * 60}


def _one_or_many(values: tuple[str, ...]) -> str | list[str]:
    # The convention for `aud` in RFC 7519, section 4.1.3, which the service uses for all claims.
    return values[0] if len(values) == 1 else list(values)


def allows_rest_call(token: str, access_key: str, targets: Iterable[str]) -> bool:
    """Return whether the token allows a REST call.

    `targets` are the call's host, port and path, in all the spellings that a caller may sign.
    The token's audience must be one of them or the whole data plane.
    """
    claims = _verified(token, access_key)
    if claims is None:
        return False
    wanted = [target.lower() for target in targets]
    return any(
        audience.rstrip("/") == SERVICE_AUDIENCE or _covers(audience, wanted)
        for audience in _texts(claims.get("aud"))
    )


def _covers(audience: str, targets: list[str]) -> bool:
    """Return whether the audience is a target, followed by nothing, a query or a deeper path."""
    return any(
        spelling.startswith(target) and spelling[len(target) : len(target) + 1] in ("", "?", "/")
        for spelling in _spellings(audience)
        for target in targets
    )


def _spellings(audience: str) -> list[str]:
    """Return the audience without its scheme, as given and decoded once."""
    scheme, separator, rest = audience.lower().partition("://")
    return [rest, unquote(rest).lower()] if separator and scheme in _SCHEMES else []


def check_client_token(token: str, access_key: str, target: str) -> Client | None:
    """Return the client of a token for `target` (host, port and /client/hubs/{hub}), or None."""
    claims = _verified(token, access_key)
    if claims is None:
        return None
    audiences = [name for aud in _texts(claims.get("aud")) for name in _spellings(aud)]
    if target.lower() not in audiences:
        return None
    return Client(
        user_id=claims.get("sub"),
        roles=tuple(_texts(claims.get("role"))),
        groups=tuple(_texts(claims.get("webpubsub.group"))),
        claims={name: _texts(value) for name, value in claims.items()},
    )


def sign_reconnection_token(access_key: str, connection_id: str) -> str:
    """Return a token for recovering this connection any number of times."""
    claims = {"aud": connection_id, **_issued(RECONNECTION_MINUTES)}
    return jwt.encode(claims, access_key, algorithm="HS256")


def allows_recovery(token: str, access_key: str, connection_id: str) -> bool:
    """Return whether the token is for this connection and valid now, without any clock skew."""
    options: Any = {"require": ["exp"]}
    try:
        jwt.decode(
            token,
            access_key,
            ["HS256"],
            options=options,
            audience=connection_id,
            issuer=SERVICE_AUDIENCE,
        )
    except (jwt.PyJWTError, ValueError, RecursionError):
        return False
    return True


def _verified(token: str, access_key: str) -> dict[str, Any] | None:
    """Return the claims of a token that is signed with this key and valid now, or None."""
    options: Any = {"require": ["aud", "exp"], "verify_aud": False}
    try:
        return jwt.decode(token, access_key, ["HS256"], options=options, leeway=CLOCK_SKEW_SECONDS)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None


def _texts(value: object) -> list[str]:
    """Return a claim, which is one value or a list, as a list of texts."""
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [item if isinstance(item, str) else json.dumps(item) for item in values]
