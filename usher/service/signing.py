"""Tokens signed with the access key: JSON Web Tokens, HS256 (RFC 7515; RFC 7518, section 3.2).

The SDK makes the same tokens. It is not used, because its import takes half as long as everything
else before the first negotiate, and its signature five times the CPU time (`dev.py bench`).
"""

import base64
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from usher.service.tokens import ClientToken, TokenRequest
from usher.settings import Settings
from usher.visits import VISIT

CALL_SECONDS = 60  # lifetime of the token of a REST call
# No claim contains itself, and to look for that takes a third of the time.
ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)


class Signer:
    """Signs tokens for a hub of a service."""

    def __init__(self, settings: Settings) -> None:
        key = settings.connection.access_key
        if not key:
            raise ValueError("There is no access key.")
        self._key = key.encode()
        self._audience = f"{settings.connection.endpoint}/client/hubs/{settings.hub}"
        self._url = "ws" + self._audience.removeprefix("http")

    async def generate_token(self, request: TokenRequest) -> ClientToken:
        """Return a client access token, without a call of the service."""
        now = int(time.time())
        expires_at = now + 60 * request.minutes
        claims: dict[str, Any] = {"aud": self._audience, "iat": now, "exp": expires_at}
        if request.user_id:
            claims["sub"] = request.user_id
        if request.roles:
            claims["role"] = list(request.roles)
        if request.groups:
            claims["webpubsub.group"] = list(request.groups)
        if request.visit:
            claims[VISIT] = request.visit
        token = self._sign(claims)
        return ClientToken(f"{self._url}?access_token={token}", self._url, token, expires_at)

    def sign_call(self, url: str) -> str:
        """Return the bearer token of a REST call."""
        return self._sign({"aud": url, "exp": int(time.time()) + CALL_SECONDS})

    def _sign(self, claims: Mapping[str, Any]) -> str:
        signed = HEADER + _encode(ENCODER.encode(claims).encode())
        signature = hmac.digest(self._key, signed, "sha256")
        return f"{signed.decode()}.{_encode(signature).decode()}"


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


HEADER = _encode(b'{"alg":"HS256","typ":"JWT"}') + b"."
