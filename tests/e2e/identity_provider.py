"""An OpenID Connect provider with real keys, whose responses a test can replace."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "api://usher"
DISCOVERY = "/tenant/.well-known/openid-configuration"
KEYS = "/tenant/keys"
KINDS: dict[str, Callable[[], Any]] = {
    "RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    # Too short: Usher must refuse it.
    "short RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}

type Answer = Callable[[], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key with its key id."""

    kid: str
    private: Any

    @property
    def jwk(self) -> dict[str, Any]:
        """Return the public key as the provider publishes it."""
        public = self.private.public_key()
        to_jwk: Any = OKPAlgorithm.to_jwk
        if isinstance(public, rsa.RSAPublicKey):
            to_jwk = RSAAlgorithm.to_jwk
        elif isinstance(public, ec.EllipticCurvePublicKey):
            to_jwk = ECAlgorithm.to_jwk
        # PyJWT adds key_ops, which no test needs.
        jwk = {k: v for k, v in to_jwk(public, as_dict=True).items() if k != "key_ops"}
        return jwk | {"kid": self.kid, "use": "sig"}


@cache
def make_key(kind: str, kid: str) -> SigningKey:
    """Return a key, the same one for the same arguments: an RSA key takes long to make."""
    return SigningKey(kid, KINDS[kind]())


@dataclass(slots=True)
class Provider:
    """Publish `keys`. `answers` replaces the response of a path; `asked` counts its requests."""

    issuer: str = ""
    keys: list[SigningKey] = field(default_factory=lambda: [make_key("P-256", "first")])
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def claims(self, **changes: object) -> dict[str, Any]:
        """Return the claims of a valid token with `changes`; the value None removes a claim."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": "ana", "iat": now, "exp": now + 300}
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def token(
        self, key: SigningKey | None = None, algorithm: str = "ES256", /, **changes: object
    ) -> str:
        """Return a token signed with `key`, or with the first published key."""
        key = key or self.keys[0]
        return jwt.encode(self.claims(**changes), key.private, algorithm, {"kid": key.kid})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for the discovery document or the keys."""
        self.asked[request.path] += 1
        if request.path in self.answers:
            return await self.answers[request.path]()
        if request.path == DISCOVERY:
            return web.json_response({"issuer": self.issuer, "jwks_uri": self.url_of(KEYS)})
        return web.json_response({"keys": [key.jwk for key in self.keys]})

    def url_of(self, path: str) -> str:
        """Return the URL of a path of this provider."""
        return self.issuer.removesuffix("/tenant") + path


@asynccontextmanager
async def serve(provider: Provider, port: int | None = None) -> AsyncIterator[Provider]:
    """Run a provider, on a free port unless `port` names one."""
    application = web.Application()
    application.router.add_get("/{path:.*}", provider.answer)
    async with TestServer(application, port=port) as server:
        provider.issuer = str(server.make_url("/tenant"))
        yield provider
