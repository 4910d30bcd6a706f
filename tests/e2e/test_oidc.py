"""Verification of bearer tokens (`usher.door.oidc`) against a provider with real keys."""

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
    """A clock that a test moves."""

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
    """Return the reason of a refusal, which is for the log: the caller gets a fixed detail."""
    with pytest.raises(TokenRefusedError) as caught:
        await verifier.verify(token)
    assert (caught.value.status, caught.value.detail) == (401, TokenRefusedError("").detail)
    return str(caught.value)


async def assert_unavailable(verifier: OidcProvider, token: str) -> None:
    with pytest.raises(IdentityProviderError) as caught:
        await verifier.verify(token)
    assert caught.value.status == 503


def sign_by_hand(header: dict[str, object], claims: dict[str, object], secret: bytes) -> str:
    """Sign with HS256 and any secret. PyJWT itself refuses to sign with a public key."""
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
async def test_a_valid_token_of_each_algorithm_is_accepted(
    provider: Provider, verifier: OidcProvider, algorithm: str, kind: str
) -> None:
    """The provider publishes keys of every kind, and `verify` returns all claims."""
    provider.keys = [make_key(kind, kind) for kind in ("RSA", "P-256", "P-384", "P-521")]
    provider.keys += [make_key(kind, kind) for kind in ("Ed25519", "Ed448")]
    token = provider.token(make_key(kind, kind), algorithm, scope="enter")
    claims = await verifier.verify(token)
    assert (claims["sub"], claims["iss"], claims["scope"]) == ("ana", provider.issuer, "enter")


async def test_the_audience_must_be_the_configured_one_or_include_it(
    provider: Provider, verifier: OidcProvider
) -> None:
    assert await verifier.verify(provider.token(aud=["other", AUDIENCE]))
    for audience in ("other", f"{AUDIENCE}/", ["other"], [], [[AUDIENCE]], {AUDIENCE: 1}, ""):
        await refusal_of(verifier, provider.token(aud=audience))


async def test_the_issuer_must_be_exactly_the_configured_text(
    provider: Provider, verifier: OidcProvider
) -> None:
    for issuer in (f"{provider.issuer}/", provider.issuer.upper(), "https://login.example"):
        assert await refusal_of(verifier, provider.token(iss=issuer)) == "issuer"


async def test_an_issuer_may_end_with_a_slash(provider: Provider) -> None:
    """The slash is part of the issuer, but the discovery URL does not double it."""
    provider.issuer += "/"
    provider.answers[DISCOVERY] = always(
        200, json.dumps({"issuer": provider.issuer, "jwks_uri": provider.issuer + "keys"})
    )
    assert await OidcProvider(provider.issuer, AUDIENCE).verify(provider.token())


@pytest.mark.parametrize(
    ("claim", "bad", "good", "reason"),
    [("exp", -70, -50, "expired"), ("nbf", 70, 50, "early"), ("iat", 70, 50, "early")],
)
async def test_times_are_checked_with_a_minute_of_tolerance(
    provider: Provider, verifier: OidcProvider, claim: str, bad: int, good: int, reason: str
) -> None:
    now = int(time.time())
    assert await verifier.verify(provider.token(**{claim: now + good}))
    assert await refusal_of(verifier, provider.token(**{claim: now + bad})) == reason


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub"])
async def test_a_token_without_a_required_claim_is_refused(
    provider: Provider, verifier: OidcProvider, claim: str
) -> None:
    assert await refusal_of(verifier, provider.token(**{claim: None})) == "claims"


@pytest.mark.parametrize(
    "claim", [{"exp": "soon"}, {"nbf": [1]}, {"iat": {}}, {"sub": 7}, {"sub": ""}, {"exp": 1e999}]
)
async def test_a_claim_of_a_wrong_type_and_an_empty_subject_are_refused(
    provider: Provider, verifier: OidcProvider, claim: dict[str, object]
) -> None:
    """The signature of the provider does not help."""
    await refusal_of(verifier, provider.token(**claim))


def sign(provider: Provider, claims: dict[str, object], **header: object) -> str:
    """Return a token of the provider with these claims and fields of the header."""
    key = provider.keys[0]
    return jwt.encode(provider.claims(**claims), key.private, "ES256", {"kid": key.kid, **header})


# Sources: RFC 9068 (access tokens), OpenID Connect Back-Channel Logout 1.0, RFC 8417 (events), RFC
# 9449 (DPoP proofs), RFC 9701 (introspection), RFC 7523 with draft-ietf-oauth-rfc7523bis (clients).
@pytest.mark.parametrize(
    ("token_type", "is_accepted"),
    [
        *((name, True) for name in ("JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt")),
        *((name, False) for name in ("logout+jwt", "secevent+jwt", "dpop+jwt", "id_token", "JWE")),
        *((name, False) for name in ("token-introspection+jwt", "client-authentication+jwt", "x")),
        *((name, False) for name in ("application/logout+jwt", 5, ["at+jwt"])),
    ],
)
async def test_tokens_of_another_type_are_refused(
    provider: Provider, verifier: OidcProvider, token_type: object, is_accepted: bool
) -> None:
    """The same key of the provider signs them all."""
    token = sign(provider, {}, typ=token_type)
    if is_accepted:
        assert await verifier.verify(token)
    else:
        assert await refusal_of(verifier, token) in ("type", "malformed")


# Sources: OpenID Connect Core 1.0, sections 2 and 3.3.2.11; Back-Channel Logout 1.0, section 2.4;
# Keycloak (claim `typ`); Amazon Cognito (claim `token_use`).
@pytest.mark.parametrize(
    "claims",
    [
        *({name: "x"} for name in ("nonce", "at_hash", "c_hash", "s_hash")),
        {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
        *({"typ": name} for name in ("ID", "Refresh", "Offline", "Logout")),
        *({"token_use": "id"}, {"typ": "ID", "token_use": "access"}),
    ],
)
async def test_id_tokens_and_other_tokens_that_claims_tell_are_refused(
    provider: Provider, verifier: OidcProvider, claims: dict[str, object]
) -> None:
    """They are for the client or the provider, and the audience does not always show it."""
    assert await refusal_of(verifier, provider.token(**claims)) == "type"


@pytest.mark.parametrize(
    "claims",
    [{"typ": "Bearer", "nonce": "x"}, {"token_use": "access"}, {"typ": "mine"}, {"typ": 1}],
)
async def test_access_tokens_that_claims_tell_are_accepted(
    provider: Provider, verifier: OidcProvider, claims: dict[str, object]
) -> None:
    """Keycloak before version 25 put the nonce into access tokens too."""
    assert await verifier.verify(provider.token(**claims))


@pytest.mark.parametrize(
    ("claims", "is_accepted"),
    [
        *(({name: "page"}, True) for name in ("azp", "client_id", "appid")),
        ({"azp": "page", "client_id": "app"}, True),
        *(({name: "other"}, False) for name in ("azp", "client_id", "appid")),
        *(({}, False), ({"azp": "page", "client_id": "other"}, False)),
        *(({"azp": ["page"]}, False), ({"azp": 5}, False), ({"azp": "PAGE"}, False)),
    ],
)
async def test_only_named_clients_are_accepted_where_the_setting_names_some(
    provider: Provider, verifier: OidcProvider, claims: dict[str, object], is_accepted: bool
) -> None:
    """Each claim that names a client must name an allowed one."""
    choosy = OidcProvider(provider.issuer, AUDIENCE, frozenset({"page", "app"}))
    assert await verifier.verify(provider.token(**claims))
    if is_accepted:
        assert await choosy.verify(provider.token(**claims))
    else:
        assert await refusal_of(choosy, provider.token(**claims)) == "client"


async def test_keys_that_the_token_itself_names_are_ignored(
    provider: Provider, verifier: OidcProvider
) -> None:
    """RFC 8725, section 3.10: the sender chooses the header."""
    stranger = make_key("P-256", "stranger")
    mine = {"jku": provider.url_of("/mine"), "x5u": provider.url_of("/mine"), "jwk": stranger.jwk}
    for name, value in mine.items():
        for kid in ("first", "../../mine", "' or 1=1", "stranger"):
            header = {"kid": kid, name: value}
            token = jwt.encode(provider.claims(), stranger.private, "ES256", header)
            assert await refusal_of(verifier, token) in ("key", "signature")
    assert provider.asked["/mine"] == 0


async def test_an_unsigned_token_is_refused(provider: Provider, verifier: OidcProvider) -> None:
    """Its algorithm is `none`, with the id of a real key."""
    token = jwt.encode(provider.claims(), "", "none", {"kid": provider.keys[0].kid})
    assert await refusal_of(verifier, token) == "algorithm"


async def test_a_token_signed_with_the_public_key_as_secret_is_refused(
    provider: Provider, verifier: OidcProvider
) -> None:
    """The token uses HS256, and its secret is the PEM of the public RSA key."""
    key = make_key("RSA", "r")
    provider.keys = [key]
    public = key.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = sign_by_hand({"alg": "HS256", "kid": key.kid}, provider.claims(), pem)
    assert await refusal_of(verifier, token) == "algorithm"


async def test_a_token_signed_with_an_unpublished_key_is_refused(
    provider: Provider, verifier: OidcProvider
) -> None:
    """It is refused even with the id of a published key."""
    stranger = make_key("P-256", "stranger")
    assert await refusal_of(verifier, provider.token(stranger)) == "key"
    token = jwt.encode(provider.claims(), stranger.private, "ES256", {"kid": "first"})
    assert await refusal_of(verifier, token) == "signature"


async def test_a_token_with_changed_claims_is_refused(
    provider: Provider, verifier: OidcProvider
) -> None:
    good, other = provider.token(), provider.token(sub="bo")
    header, _, signature = good.split(".")
    token = ".".join((header, other.split(".")[1], signature))
    assert await refusal_of(verifier, token) == "signature"


async def test_a_token_without_a_key_id_needs_a_single_matching_key(
    provider: Provider, verifier: OidcProvider
) -> None:
    """If two keys match, neither is tried."""
    provider.keys = [make_key("P-256", "first"), make_key("RSA", "r")]
    token = jwt.encode(provider.claims(), provider.keys[0].private, "ES256")
    for _ in range(2):
        assert await verifier.verify(token)
    assert provider.asked[KEYS] == 1
    provider.keys.append(make_key("P-256", "second"))
    assert await refusal_of(OidcProvider(provider.issuer, AUDIENCE), token) == "key"


async def test_a_key_without_an_id_is_used_for_an_hour(
    provider: Provider, verifier: OidcProvider, clock: Clock
) -> None:
    """Unlike a key with an id it is not used longer while the provider is down."""
    jwk = {name: value for name, value in provider.keys[0].jwk.items() if name != "kid"}
    provider.answers[KEYS] = always(200, json.dumps({"keys": [jwk]}))
    token = jwt.encode(provider.claims(), provider.keys[0].private, "ES256")
    assert await verifier.verify(token)
    provider.answers[KEYS] = always(500)
    clock.now += 3600
    await assert_unavailable(verifier, token)


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits long")
async def test_a_short_rsa_key_is_refused(provider: Provider, verifier: OidcProvider) -> None:
    """RSA keys must have at least 2,048 bits (RFC 7518, section 3.3)."""
    provider.keys = [make_key("short RSA", "short")]
    assert await refusal_of(verifier, provider.token(provider.keys[0], "RS256")) == "key"


@pytest.mark.parametrize("broken", [{"x": 5}, {"x": "AAAA"}, {"y": "ü"}, {"x": None}])
async def test_an_invalid_key_does_not_affect_the_other_keys(
    provider: Provider, verifier: OidcProvider, broken: dict[str, object]
) -> None:
    """Only tokens that name the invalid key are refused."""
    good = make_key("RSA", "r")
    keys = [provider.keys[0].jwk | broken, good.jwk]
    provider.answers[KEYS] = always(200, json.dumps({"keys": keys}))
    assert await refusal_of(verifier, provider.token()) == "key"
    assert await verifier.verify(provider.token(good, "RS256"))


async def test_a_hundred_concurrent_verifications_send_one_request(
    provider: Provider, verifier: OidcProvider
) -> None:
    """Later verifications use the cached keys."""
    token = provider.token()
    await asyncio.gather(*(verifier.verify(token) for _ in range(100)))
    await verifier.verify(token)
    assert provider.asked == {DISCOVERY: 1, KEYS: 1}


async def test_keys_are_refreshed_every_hour(
    provider: Provider, verifier: OidcProvider, clock: Clock
) -> None:
    """A withdrawn key then stops working."""
    first, second = make_key("P-256", "first"), make_key("P-256", "second")
    await verifier.verify(provider.token())
    provider.keys = [second]
    clock.now += 3599
    assert await verifier.verify(provider.token(first))
    clock.now += 1
    assert await refusal_of(verifier, provider.token(first)) == "key"
    assert await verifier.verify(provider.token(second))
    assert provider.asked == {DISCOVERY: 2, KEYS: 2}


async def test_unknown_key_ids_cause_one_refresh_in_30_seconds(
    provider: Provider, verifier: OidcProvider, clock: Clock
) -> None:
    """Valid tokens are accepted all the time."""
    await verifier.verify(provider.token())
    stranger = make_key("P-256", "stranger")
    tokens = [
        jwt.encode(provider.claims(), stranger.private, "ES256", {"kid": str(number)})
        for number in range(100)
    ]
    reasons = await asyncio.gather(*(refusal_of(verifier, token) for token in tokens))
    assert set(reasons) == {"key"}
    assert provider.asked[KEYS] == 2
    clock.now += 29
    await refusal_of(verifier, tokens[0])
    assert await verifier.verify(provider.token())
    assert provider.asked[KEYS] == 2
    clock.now += 1
    await refusal_of(verifier, tokens[0])
    assert provider.asked[KEYS] == 3


async def test_a_new_key_works_at_once(provider: Provider, verifier: OidcProvider) -> None:
    """A token with an unknown key id causes a refresh, which also removes the old key."""
    first, second = make_key("P-256", "first"), make_key("P-256", "second")
    await verifier.verify(provider.token())
    provider.keys = [second]
    assert await verifier.verify(provider.token(second))
    assert await refusal_of(verifier, provider.token(first)) == "key"
    assert provider.asked[KEYS] == 2


async def test_an_empty_list_of_keys_withdraws_all_keys(
    provider: Provider, verifier: OidcProvider, clock: Clock
) -> None:
    """The empty list is a valid answer, so the tokens are refused with 401, not with 503."""
    await verifier.verify(provider.token())
    token, provider.keys = provider.token(), []
    clock.now += 3600
    assert await refusal_of(verifier, token) == "key"


async def test_a_provider_that_is_down_at_first_is_retried_after_5_seconds() -> None:
    """Until the provider answers, every token gets 503."""
    port, clock, down = unused_port(), Clock(), Provider()
    down.issuer = f"http://127.0.0.1:{port}/tenant"
    verifier, token = OidcProvider(down.issuer, AUDIENCE, clock=clock), down.token()
    await assert_unavailable(verifier, token)
    async with serve(down, port):
        await assert_unavailable(verifier, token)
        assert not down.asked
        clock.now += 5
        assert await verifier.verify(token)


async def test_known_keys_are_used_for_a_day_while_the_provider_is_down(
    provider: Provider, verifier: OidcProvider, clock: Clock
) -> None:
    """Tokens with other keys get 503, and the provider is retried every 30 s."""
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


async def test_an_interrupted_response_of_the_provider_gives_503(
    provider: Provider, verifier: OidcProvider
) -> None:

    async def hang_up() -> web.StreamResponse:
        response = web.Response(body=b"{", headers={"Content-Length": "100"})
        response.force_close()
        return response

    provider.answers[KEYS] = hang_up
    await assert_unavailable(verifier, provider.token())


def redirect_to(path: str) -> Callable[[Provider], Answer]:
    return lambda provider: always(302, Location=provider.url_of(path))


def respond(body: str, status: int = 200) -> Callable[[Provider], Answer]:
    return lambda _provider: always(status, body)


def name_issuer(issuer: str) -> Callable[[Provider], Answer]:
    def build(provider: Provider) -> Answer:
        return always(200, json.dumps({"issuer": issuer, "jwks_uri": provider.url_of(KEYS)}))

    return build


def name_jwks_uri(uri: str) -> Callable[[Provider], Answer]:
    return lambda provider: always(200, json.dumps({"issuer": provider.issuer, "jwks_uri": uri}))


@pytest.mark.parametrize(
    ("path", "build"),
    [
        *((path, respond("{")) for path in (DISCOVERY, KEYS)),
        *((path, respond("")) for path in (DISCOVERY, KEYS)),
        *((path, respond("[" * 100_000)) for path in (DISCOVERY, KEYS)),
        *((path, respond("[1]")) for path in (DISCOVERY, KEYS)),
        *((path, respond("{}", 404)) for path in (DISCOVERY, KEYS)),
        (KEYS, respond('{"keys": []}'.ljust(256 * 1024 + 1))),
        (DISCOVERY, redirect_to("/elsewhere")),
        (KEYS, redirect_to("/elsewhere")),
        (DISCOVERY, name_issuer("https://login.example")),
        (DISCOVERY, name_jwks_uri("http://login.example/keys")),
        (DISCOVERY, name_jwks_uri("https://[")),
        (DISCOVERY, name_jwks_uri("https://")),
    ],
)
async def test_an_invalid_response_of_the_provider_gives_503(
    provider: Provider,
    verifier: OidcProvider,
    path: str,
    build: Callable[[Provider], Answer],
) -> None:
    """Bad JSON, another issuer, a body over 256 KiB, a redirect, a bad `jwks_uri`."""
    provider.answers[path] = build(provider)
    await assert_unavailable(verifier, provider.token())
    assert "/elsewhere" not in provider.asked


async def test_a_response_of_256_kib_is_accepted(
    provider: Provider, verifier: OidcProvider
) -> None:
    body = json.dumps({"keys": [provider.keys[0].jwk]})
    provider.answers[KEYS] = always(200, body.ljust(256 * 1024))
    assert await verifier.verify(provider.token())


async def test_a_compressed_response_is_not_decompressed(
    provider: Provider, verifier: OidcProvider
) -> None:
    """A small compressed body could otherwise become a very large one."""

    async def compress() -> web.StreamResponse:
        response = web.json_response({"keys": [provider.keys[0].jwk]})
        response.enable_compression(web.ContentCoding.gzip)
        return response

    provider.answers[KEYS] = compress
    await assert_unavailable(verifier, provider.token())


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
async def test_a_slow_provider_gives_503(
    provider: Provider, verifier: OidcProvider, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All verifications that wait share one request."""
    monkeypatch.setattr(oidc, "ANSWER_SECONDS", 1.0)  # enough for the answer before a slow one
    stop = asyncio.Event()

    async def wait() -> web.StreamResponse:
        await stop.wait()
        return web.Response()

    provider.answers[path] = wait
    token = provider.token()
    await asyncio.gather(*(assert_unavailable(verifier, token) for _ in range(20)))
    stop.set()
    assert provider.asked[path] == 1


async def test_no_log_record_or_error_has_a_part_of_a_token_or_key(
    provider: Provider, verifier: OidcProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """This includes the causes of the errors."""
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


async def test_a_failed_request_to_the_provider_is_logged_once(
    provider: Provider, verifier: OidcProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Verifications that send no request add no record."""
    provider.answers[DISCOVERY] = always(404)
    for _ in range(3):
        await assert_unavailable(verifier, provider.token())
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    record = json.loads(error.getMessage())
    assert (record.keys(), record["record"]) == ({"record", "failure"}, "identity-provider")
    assert "404" in record["failure"]
