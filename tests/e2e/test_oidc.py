"""`usher.door.oidc` against a provider with real keys."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from traceback import format_exception

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.e2e.identity_provider import (
    AUDIENCE,
    DISCOVERY,
    KEYS,
    Answer,
    Provider,
    make_key,
    serve,
)
from usher.door import oidc
from usher.door.oidc import IdentityProviderError, OidcProvider, TokenRefusedError
from usher.errors import UnauthorizedError


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with serve(Provider()) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(provider: Provider, clock: Clock) -> OidcProvider:
    return OidcProvider(provider.issuer, AUDIENCE, clock=clock)


def always(status: int, body: str = "", **headers: str) -> Answer:
    async def answer() -> web.StreamResponse:
        return web.Response(status=status, text=body, headers=headers)

    return answer


async def refusal_of(verifier: OidcProvider, token: str) -> str:
    """The reason that only the log learns."""
    with pytest.raises(TokenRefusedError) as caught:
        await verifier.verify(token)
    assert (caught.value.status, caught.value.detail) == (401, "The bearer token is not valid.")
    return str(caught.value)


async def assert_unavailable(verifier: OidcProvider, token: str) -> None:
    with pytest.raises(IdentityProviderError) as caught:
        await verifier.verify(token)
    assert caught.value.status == 503


def sign_by_hand(header: dict[str, object], claims: dict[str, object], secret: bytes) -> str:
    """HS256 as an attacker would: PyJWT itself refuses to sign with a public key."""
    parts = (json.dumps(part).encode() for part in (header, claims))
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.new(secret, text, hashlib.sha256).digest()
    return f"{text.decode()}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        *((algorithm, "RSA") for algorithm in ("RS256", "RS384", "RS512")),
        *((algorithm, "RSA") for algorithm in ("PS256", "PS384", "PS512")),
        *(("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521")),
        *(("EdDSA", "Ed25519"), ("EdDSA", "Ed448")),
    ],
)
async def test_good_tokens(
    provider: Provider, verifier: OidcProvider, algorithm: str, kind: str
) -> None:
    """Of each algorithm, with its key among those of every kind; all claims come back."""
    provider.keys = [make_key(kind, kind) for kind in ("RSA", "P-256", "P-384", "P-521")]
    provider.keys += [make_key(kind, kind) for kind in ("Ed25519", "Ed448")]
    token = provider.token(make_key(kind, kind), algorithm, scope="enter")
    claims = await verifier.verify(token)
    assert (claims["sub"], claims["iss"], claims["scope"]) == ("ana", provider.issuer, "enter")


async def test_audiences(provider: Provider, verifier: OidcProvider) -> None:
    """Ours may be one of several."""
    assert await verifier.verify(provider.token(aud=["other", AUDIENCE]))
    for audience in ("other", f"{AUDIENCE}/", ["other"], [], [[AUDIENCE]], {AUDIENCE: 1}, ""):
        await refusal_of(verifier, provider.token(aud=audience))


async def test_issuers(provider: Provider, verifier: OidcProvider) -> None:
    """Only the very text that is configured."""
    for issuer in (f"{provider.issuer}/", provider.issuer.upper(), "https://login.example"):
        assert await refusal_of(verifier, provider.token(iss=issuer)) == "issuer"


async def test_an_issuer_with_a_slash_at_its_end(provider: Provider) -> None:
    """The slash belongs to the name, but discovery leaves it out of its address."""
    provider.issuer += "/"
    provider.answers[DISCOVERY] = always(
        200, json.dumps({"issuer": provider.issuer, "jwks_uri": provider.issuer + "keys"})
    )
    assert await OidcProvider(provider.issuer, AUDIENCE).verify(provider.token())


@pytest.mark.parametrize(
    ("claim", "past", "future", "reason"),
    [("exp", -70, -50, "expired"), ("nbf", 70, 50, "early"), ("iat", 70, 50, "early")],
)
async def test_times(
    provider: Provider, verifier: OidcProvider, claim: str, past: int, future: int, reason: str
) -> None:
    """The clocks may be a minute apart, not more."""
    now = int(time.time())
    assert await verifier.verify(provider.token(**{claim: now + future}))
    assert await refusal_of(verifier, provider.token(**{claim: now + past})) == reason


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub"])
async def test_claims_that_must_be_there(
    provider: Provider, verifier: OidcProvider, claim: str
) -> None:
    """Without any of them a token is good for nothing."""
    assert await refusal_of(verifier, provider.token(**{claim: None})) == "claims"


@pytest.mark.parametrize(
    "claim", [{"exp": "soon"}, {"nbf": [1]}, {"iat": {}}, {"sub": 7}, {"sub": ""}, {"exp": 1e999}]
)
async def test_claims_of_a_wrong_type(
    provider: Provider, verifier: OidcProvider, claim: dict[str, object]
) -> None:
    """Are refused, although the provider signed them; so is a subject that is nobody."""
    await refusal_of(verifier, provider.token(**claim))


async def test_unsigned_tokens(provider: Provider, verifier: OidcProvider) -> None:
    """`alg: none` is refused, whatever key it names."""
    token = jwt.encode(provider.claims(), "", "none", {"kid": provider.keys[0].kid})
    assert await refusal_of(verifier, token) == "algorithm"


async def test_a_public_key_is_no_secret(provider: Provider, verifier: OidcProvider) -> None:
    """A token that is signed HS256 with the RSA key's public PEM is refused."""
    key = make_key("RSA", "r")
    provider.keys = [key]
    public = key.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = sign_by_hand({"alg": "HS256", "kid": key.kid}, provider.claims(), pem)
    assert await refusal_of(verifier, token) == "algorithm"


async def test_keys_of_others(provider: Provider, verifier: OidcProvider) -> None:
    """A key of another provider does not help, not even under a key id of ours."""
    stranger = make_key("P-256", "stranger")
    assert await refusal_of(verifier, provider.token(stranger)) == "key"
    token = jwt.encode(provider.claims(), stranger.private, "ES256", {"kid": "first"})
    assert await refusal_of(verifier, token) == "signature"


async def test_changed_tokens(provider: Provider, verifier: OidcProvider) -> None:
    """The signature covers header and claims."""
    good, other = provider.token(), provider.token(sub="bo")
    header, _, signature = good.split(".")
    token = ".".join((header, other.split(".")[1], signature))
    assert await refusal_of(verifier, token) == "signature"


async def test_tokens_without_a_key_id(provider: Provider, verifier: OidcProvider) -> None:
    """Good while only one key fits; with two nothing is tried out."""
    provider.keys = [make_key("P-256", "first"), make_key("RSA", "r")]
    token = jwt.encode(provider.claims(), provider.keys[0].private, "ES256")
    for _ in range(2):
        assert await verifier.verify(token)
    assert provider.asked[KEYS] == 1
    provider.keys.append(make_key("P-256", "second"))
    assert await refusal_of(OidcProvider(provider.issuer, AUDIENCE), token) == "key"


async def test_keys_without_a_key_id(
    provider: Provider, verifier: OidcProvider, clock: Clock
) -> None:
    """Serve for an hour; they are not known by name, so not while the provider is down."""
    jwk = {name: value for name, value in provider.keys[0].jwk.items() if name != "kid"}
    provider.answers[KEYS] = always(200, json.dumps({"keys": [jwk]}))
    token = jwt.encode(provider.claims(), provider.keys[0].private, "ES256")
    assert await verifier.verify(token)
    provider.answers[KEYS] = always(500)
    clock.now += 3600
    await assert_unavailable(verifier, token)


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits long")
async def test_keys_that_are_too_short(provider: Provider, verifier: OidcProvider) -> None:
    """RSA keys have 2,048 bits or more (RFC 7518, section 3.3)."""
    provider.keys = [make_key("short RSA", "short")]
    assert await refusal_of(verifier, provider.token(provider.keys[0], "RS256")) == "key"


@pytest.mark.parametrize("broken", [{"x": 5}, {"x": "AAAA"}, {"y": "ü"}, {"x": None}])
async def test_keys_that_are_none(
    provider: Provider, verifier: OidcProvider, broken: dict[str, object]
) -> None:
    """A key that cannot be built refuses its tokens, and the others go on."""
    good = make_key("RSA", "r")
    keys = [provider.keys[0].jwk | broken, good.jwk]
    provider.answers[KEYS] = always(200, json.dumps({"keys": keys}))
    assert await refusal_of(verifier, provider.token()) == "key"
    assert await verifier.verify(provider.token(good, "RS256"))


async def test_a_hundred_at_once_are_one_question(
    provider: Provider, verifier: OidcProvider
) -> None:
    """Concurrent first verifications share one discovery, and later ones its answer."""
    token = provider.token()
    await asyncio.gather(*(verifier.verify(token) for _ in range(100)))
    await verifier.verify(token)
    assert provider.asked == {DISCOVERY: 1, KEYS: 1}


async def test_keys_are_asked_for_every_hour(
    provider: Provider, verifier: OidcProvider, clock: Clock
) -> None:
    """So that a key that is gone stops working."""
    first, second = make_key("P-256", "first"), make_key("P-256", "second")
    await verifier.verify(provider.token())
    provider.keys = [second]
    clock.now += 3599
    assert await verifier.verify(provider.token(first))
    clock.now += 1
    assert await refusal_of(verifier, provider.token(first)) == "key"
    assert await verifier.verify(provider.token(second))
    assert provider.asked == {DISCOVERY: 2, KEYS: 2}


async def test_made_up_key_ids(provider: Provider, verifier: OidcProvider, clock: Clock) -> None:
    """A hundred of them are one refresh in 30 s; good tokens do not suffer."""
    await verifier.verify(provider.token())
    stranger = make_key("P-256", "stranger")
    made_up = [
        jwt.encode(provider.claims(), stranger.private, "ES256", {"kid": str(number)})
        for number in range(100)
    ]
    reasons = await asyncio.gather(*(refusal_of(verifier, token) for token in made_up))
    assert set(reasons) == {"key"}
    assert provider.asked[KEYS] == 2
    clock.now += 29
    await refusal_of(verifier, made_up[0])
    assert await verifier.verify(provider.token())
    assert provider.asked[KEYS] == 2
    clock.now += 1
    await refusal_of(verifier, made_up[0])
    assert provider.asked[KEYS] == 3


async def test_rotation(provider: Provider, verifier: OidcProvider) -> None:
    """A new key works at once, after one refresh; the old one stops when it is gone."""
    first, second = make_key("P-256", "first"), make_key("P-256", "second")
    await verifier.verify(provider.token())
    provider.keys = [second]
    assert await verifier.verify(provider.token(second))
    assert await refusal_of(verifier, provider.token(first)) == "key"
    assert provider.asked[KEYS] == 2


async def test_keys_that_are_withdrawn(
    provider: Provider, verifier: OidcProvider, clock: Clock
) -> None:
    """A provider without any key is not a provider that does not answer."""
    await verifier.verify(provider.token())
    token, provider.keys = provider.token(), []
    clock.now += 3600
    assert await refusal_of(verifier, token) == "key"


async def test_a_provider_that_is_down_at_first() -> None:
    """Nobody enters, it is not asked again at once, and it is believed when it is back."""
    port, clock, down = unused_port(), Clock(), Provider()
    down.issuer = f"http://127.0.0.1:{port}/tenant"
    verifier, token = OidcProvider(down.issuer, AUDIENCE, clock=clock), down.token()
    await assert_unavailable(verifier, token)
    async with serve(down, port):
        await assert_unavailable(verifier, token)
        assert not down.asked
        clock.now += 5
        assert await verifier.verify(token)


async def test_a_provider_that_is_down_later(
    provider: Provider, verifier: OidcProvider, clock: Clock
) -> None:
    """Known keys serve for a day; of others nobody can tell; it is asked every 30 s."""
    good = provider.token()
    stranger = provider.token(make_key("P-256", "stranger"))
    nameless = jwt.encode(provider.claims(), provider.keys[0].private, "ES256")
    await verifier.verify(good)
    provider.answers[DISCOVERY] = always(500)
    await assert_unavailable(verifier, stranger)
    assert await verifier.verify(nameless)  # the keys are still fresh
    clock.now += 3600
    for _ in range(3):
        assert await verifier.verify(good)
        await assert_unavailable(verifier, stranger)
        await assert_unavailable(verifier, nameless)
    assert provider.asked[DISCOVERY] == 3
    clock.now += 23 * 3600
    assert await verifier.verify(good)
    clock.now += 1
    await assert_unavailable(verifier, good)
    del provider.answers[DISCOVERY]
    clock.now += 30
    assert await verifier.verify(good)
    assert await refusal_of(verifier, stranger) == "key"


async def test_a_provider_that_hangs_up(provider: Provider, verifier: OidcProvider) -> None:
    """In the middle of its answer."""

    async def hang_up() -> web.StreamResponse:
        response = web.Response(body=b"{", headers={"Content-Length": "100"})
        response.force_close()
        return response

    provider.answers[KEYS] = hang_up
    await assert_unavailable(verifier, provider.token())


def redirect_to(path: str) -> Callable[[Provider], Answer]:
    return lambda provider: always(302, Location=provider.url_of(path))


def says(body: str, status: int = 200) -> Callable[[Provider], Answer]:
    return lambda _provider: always(status, body)


def says_issuer(issuer: str) -> Callable[[Provider], Answer]:
    def build(provider: Provider) -> Answer:
        return always(200, json.dumps({"issuer": issuer, "jwks_uri": provider.url_of(KEYS)}))

    return build


def says_key_place(uri: str) -> Callable[[Provider], Answer]:
    return lambda provider: always(200, json.dumps({"issuer": provider.issuer, "jwks_uri": uri}))


@pytest.mark.parametrize(
    ("path", "build"),
    [
        *((path, says("{")) for path in (DISCOVERY, KEYS)),
        *((path, says("")) for path in (DISCOVERY, KEYS)),
        *((path, says("[" * 100_000)) for path in (DISCOVERY, KEYS)),
        *((path, says("[1]")) for path in (DISCOVERY, KEYS)),
        *((path, says("{}", 404)) for path in (DISCOVERY, KEYS)),
        (KEYS, says('{"keys": []}'.ljust(256 * 1024 + 1))),
        (DISCOVERY, redirect_to("/elsewhere")),
        (KEYS, redirect_to("/elsewhere")),
        (DISCOVERY, says_issuer("https://login.example")),
        (DISCOVERY, says_key_place("http://login.example/keys")),
        (DISCOVERY, says_key_place("https://[")),
        (DISCOVERY, says_key_place("https://")),
    ],
)
async def test_answers_that_are_none(
    provider: Provider,
    verifier: OidcProvider,
    path: str,
    build: Callable[[Provider], Answer],
) -> None:
    """Garbage, another issuer, too much of it, or a way elsewhere: nobody enters."""
    provider.answers[path] = build(provider)
    await assert_unavailable(verifier, provider.token())
    assert "/elsewhere" not in provider.asked


async def test_the_longest_answer(provider: Provider, verifier: OidcProvider) -> None:
    """256 KiB are read."""
    body = json.dumps({"keys": [provider.keys[0].jwk]})
    provider.answers[KEYS] = always(200, body.ljust(256 * 1024))
    assert await verifier.verify(provider.token())


async def test_answers_that_nobody_asked_to_compress(
    provider: Provider, verifier: OidcProvider
) -> None:
    """Are not unpacked, so that few bytes cannot become many."""

    async def compress() -> web.StreamResponse:
        response = web.json_response({"keys": [provider.keys[0].jwk]})
        response.enable_compression(web.ContentCoding.gzip)
        return response

    provider.answers[KEYS] = compress
    await assert_unavailable(verifier, provider.token())


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
async def test_a_slow_provider(
    provider: Provider, verifier: OidcProvider, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is as good as none; all who wait are told together."""
    monkeypatch.setattr(oidc, "ANSWER_SECONDS", 0.05)
    stop = asyncio.Event()

    async def wait() -> web.StreamResponse:
        await stop.wait()
        return web.Response()

    provider.answers[path] = wait
    token = provider.token()
    await asyncio.gather(*(assert_unavailable(verifier, token) for _ in range(20)))
    stop.set()
    assert provider.asked[path] == 1


async def test_nothing_secret_is_told(
    provider: Provider, verifier: OidcProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """No part of a token or a key is in a log, a text of an error, or the errors behind it."""
    caplog.set_level(logging.DEBUG)
    stranger = make_key("P-256", "stranger")
    broken = provider.keys[0].jwk | {"kid": "broken", "x": "AAAA"}
    provider.answers[KEYS] = always(200, json.dumps({"keys": [provider.keys[0].jwk, broken]}))
    tokens = [
        provider.token(exp=1),
        provider.token(aud="other"),
        provider.token(stranger),
        jwt.encode(provider.claims(), stranger.private, "ES256", {"kid": "broken"}),
        jwt.encode(provider.claims(), stranger.private, "ES256", {"kid": "first"}),
        "bm90LWpzb24.e30.AAAA",
    ]
    shown = []
    for token in tokens:
        with pytest.raises(UnauthorizedError) as caught:
            await verifier.verify(token)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        shown.append("".join(format_exception(caught.value)))
    text = "".join(shown) + caplog.text
    secrets = {part for token in tokens for part in token.split(".")} - {""}
    secrets |= {provider.keys[0].jwk["x"], broken["y"], "not-json", "stranger", '"ana"'}
    assert [record.levelname for record in caplog.records if record.name == "usher"] == (
        ["INFO"] * len(tokens)
    )
    assert not [secret for secret in secrets if secret in text]


async def test_a_failure_is_logged_with_its_reason(
    provider: Provider, verifier: OidcProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Once for each time that the provider was asked."""
    provider.answers[DISCOVERY] = always(404)
    for _ in range(3):
        await assert_unavailable(verifier, provider.token())
    records = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert records == ['{"record": "identity-provider", "failure": "answered 404"}']
