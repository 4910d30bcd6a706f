import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.door.oidc import (
    IdentityProviderError,
    OidcProvider,
    TokenRefusedError,
    choose_key,
    read_header,
    read_jwks_uri,
    read_keys,
)
from usher.errors import UnauthorizedError

ISSUER = "https://login.example/tenant"
RSA = {"kty": "RSA", "kid": "r"}
P256 = {"kty": "EC", "crv": "P-256", "kid": "e"}


def make_token(header: object) -> str:
    """Return an unsigned token with this header and no claims."""
    text = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return f"{text}.e30.AAAA"


def refusal_reason(token: str) -> str:
    with pytest.raises(TokenRefusedError) as caught:
        read_header(token)
    return str(caught.value)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"alg": "RS256", "kid": "k"}, ("RS256", "k")),
        ({"alg": "EdDSA", "typ": "at+jwt"}, ("EdDSA", None)),
    ],
)
def test_valid_headers(header: object, expected: object) -> None:
    """A header has an algorithm and, optionally, a key id."""
    assert read_header(make_token(header)) == expected


@pytest.mark.parametrize(
    "algorithm",
    ["none", "None", "HS256", "HS512", "ES256K", "rs256", "RS1", "", None, 7, ["RS256"], {}],
)
def test_algorithms_that_are_refused(algorithm: object) -> None:
    """Every algorithm that is not in the list, and values that are no text."""
    assert refusal_reason(make_token({"alg": algorithm})) == "algorithm"
    assert refusal_reason(make_token({})) == "algorithm"


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "a.b", "a.b.c", "ü.e30.AAAA", "\ud800"),
        *map(make_token, [[], 1, None, {"alg": "RS256", "kid": 1}]),
        make_token({"alg": "RS256", "crit": ["exp"], "exp": 1}),
    ],
)
def test_malformed_tokens(token: str) -> None:
    assert refusal_reason(token) == "malformed"


def test_long_tokens() -> None:
    """The limit is 8,192 characters; the header of a longer token is not read."""
    # With this header both lengths are valid in base64, so only the limit decides.
    token = make_token({"alg": "RS256", "typ": "JWT"})
    assert read_header(token + "A" * (8192 - len(token))) == ("RS256", None)
    assert refusal_reason(token + "A" * (8193 - len(token))) == "malformed"


@given(st.text() | st.recursive(st.text() | st.none(), st.lists).map(make_token))
def test_any_text_is_accepted_or_refused(token: str) -> None:
    """No other error is raised."""
    with suppress(TokenRefusedError):
        read_header(token)


async def test_all_refusals_have_the_same_detail() -> None:
    """It is not the reason. The keys of the provider, which does not exist, are not requested."""
    provider = OidcProvider("https://provider.invalid", "usher")
    details = set()
    for token in ("", "x" * 9000, make_token({"alg": "none"}), make_token({"alg": "HS256"})):
        with pytest.raises(UnauthorizedError) as caught:
            await provider.verify(token)
        details.add((caught.value.status, caught.value.detail, caught.value.field))
    assert details == {(401, "The bearer token is not valid.", None)}


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSA, "ES256"),
        (P256, "RS256"),
        (P256, "ES384"),
        (RSA | {"alg": "RS512"}, "RS256"),
        (RSA | {"alg": None}, "RS256"),
        (RSA | {"use": "enc"}, "RS256"),
        (RSA | {"kty": "oct", "k": "AAAA"}, "RS256"),
        (RSA | {"kty": ["RSA"]}, "RS256"),
        (RSA | {"d": "AAAA"}, "RS256"),
        ({"kty": "OKP", "crv": "X25519", "kid": "o"}, "EdDSA"),
        ({}, "RS256"),
    ],
)
def test_keys_that_do_not_match(key: dict[str, Any], algorithm: str) -> None:
    """Type, curve, algorithm and use must match the token; a published private key never does."""
    for kid in (key.get("kid"), None):
        with pytest.raises(TokenRefusedError, match="key"):
            choose_key([key], algorithm, kid)


def test_keys_that_match() -> None:
    """A key without `alg` matches every algorithm of its type."""
    keys = [RSA | {"use": "sig"}, P256 | {"alg": "ES256"}]
    assert choose_key(keys, "PS512", "r") is keys[0]
    assert choose_key(keys, "ES256", "e") is keys[1]


def test_without_a_key_id_exactly_one_key_must_match() -> None:
    """With a key id, no other key is used."""
    assert choose_key([RSA, P256], "RS256", None) is RSA
    for keys, kid in (([RSA, RSA | {"kid": "s"}], None), ([RSA, P256], "e"), ([{}, RSA], "x")):
        with pytest.raises(TokenRefusedError):
            choose_key(keys, "RS256", kid)


@pytest.mark.parametrize("uri", ["https://keys.example/a?b=c", "http://127.0.0.1:8080/keys"])
def test_urls_of_keys(uri: str) -> None:
    """They may be https on any host, or http on this machine."""
    assert read_jwks_uri({"issuer": ISSUER, "jwks_uri": uri}, ISSUER) == uri


@pytest.mark.parametrize(
    "discovery",
    [
        *([], None, "x", {}, {"jwks_uri": "https://login.example/keys"}),
        *(
            {"issuer": issuer, "jwks_uri": "https://login.example/keys"}
            for issuer in (f"{ISSUER}/", ISSUER.upper(), "https://login.example", None, [ISSUER])
        ),
        *(
            {"issuer": ISSUER, "jwks_uri": uri}
            for uri in (None, 1, "", "/keys", "http://login.example/keys", "file:///etc/passwd")
        ),
    ],
)
def test_discovery_documents_that_are_refused(discovery: object) -> None:
    """The issuer differs, even by one character, or the URL of the keys is not safe."""
    with pytest.raises(IdentityProviderError):
        read_jwks_uri(discovery, ISSUER)


def test_key_sets() -> None:
    """Members that are no keys are ignored; an empty list is valid, a missing list is not."""
    assert read_keys({"keys": [RSA, 1, None, []]}) == [RSA]
    assert read_keys({"keys": []}) == []
    answers: list[object] = [[], {}, None, {"keys": {}}, {"keys": "RSA"}]
    for answer in answers:
        with pytest.raises(IdentityProviderError, match="key set"):
            read_keys(answer)


def test_a_failure_of_the_provider_is_a_503() -> None:
    """The reason is for the log, and not for the caller."""
    error = IdentityProviderError("answered 500")
    assert (error.status, error.detail) == (503, "The identity provider does not answer.")
    assert str(error) == "answered 500"
