"""Fuzz REST calls and handshakes: only listed statuses may be answered."""

import http.client
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import websocket
from hypothesis import given
from hypothesis import strategies as st

from contract.target import JSON, Target
from fuzz.corpus import read_corpus, texts_like
from fuzz.neighbour import SECONDS, open_socket

# Another hub than the neighbour's, because a call may close all connections of its hub.
HUB = "fuzzrest"
STATUSES = {200, 202, 204, 400, 401, 404, 405, 409, 415, 501}
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
NAMES = st.text(max_size=8) | st.sampled_from(["a", "..", "%2F", "a/b", "g" * 1025, "*", "\x00"])
PARAMETERS = [
    *("api-version", "filter", "excluded", "reason", "top", "maxpagesize", "continuationToken"),
    *("messageTtlSeconds", "minutesToExpire", "role", "group", "userId", "clientType"),
    *("targetName", "code"),
]
QUERIES = st.lists(st.tuples(st.sampled_from(PARAMETERS), texts_like("values")), max_size=4)
TYPES = st.sampled_from(
    ["text/plain", "application/json", "application/octet-stream", "text/plain; charset=x", "", ";"]
)


@st.composite
def paths(draw: st.DrawFn) -> str:
    """Return a path of the data plane with names of all kinds."""
    path = str(draw(st.sampled_from(read_corpus("paths"))))
    for name in ("{hub}", "{group}", "{connectionId}", "{userId}", "{permission}"):
        value = HUB if name == "{hub}" and draw(st.booleans()) else draw(NAMES)
        path = path.replace(name, quote(value.encode(errors="replace"), safe="%"))
    return path


def call(
    target: Target, method: str, path: str, headers: dict[str, str], body: bytes | None
) -> int:
    parts = urlsplit(target.endpoint)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


@given(st.sampled_from(METHODS), paths(), QUERIES, TYPES, st.binary(max_size=40))
def test_calls_with_a_valid_token(
    target: Target,
    method: str,
    path: str,
    query: list[tuple[str, str]],
    content_type: str,
    body: bytes,
) -> None:
    """The token lets them reach the operation."""
    pairs = [f"{key}={quote(value.encode(errors='replace'))}" for key, value in query]
    token = target.sign("https://webpubsub.azure.com")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
    assert call(target, method, f"{path}?{'&'.join(pairs)}", headers, body) in STATUSES


@pytest.mark.parametrize("value", read_corpus("values"))
@pytest.mark.parametrize("parameter", PARAMETERS)
def test_values_of_the_corpus(target: Target, parameter: str, value: str) -> None:
    """Each value in each parameter of two calls that have many parameters."""
    headers = {
        "Authorization": f"Bearer {target.sign('https://webpubsub.azure.com')}",
        "Content-Type": "text/plain",
    }
    for call_name in (":generateToken", "groups/a/:send"):
        path = f"/api/hubs/{HUB}/{call_name}?{parameter}={quote(value.encode(errors='replace'))}"
        assert call(target, "POST", path, headers, b"x") in STATUSES


@given(st.sampled_from(read_corpus("bulk")) | texts_like("bulk"), st.booleans())
def test_bodies_of_bulk_calls(target: Target, body: str, add: bool) -> None:
    """Bodies include filters."""
    path = f"/api/hubs/{HUB}/:{'addToGroups' if add else 'removeFromGroups'}"
    headers = {
        "Authorization": f"Bearer {target.sign('https://webpubsub.azure.com')}",
        "Content-Type": "application/json",
    }
    assert call(target, "POST", path, headers, body.encode(errors="replace")) in STATUSES


@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=60))
def test_authorizations_without_a_token_are_refused(target: Target, authorization: str) -> None:
    header = {"Authorization": authorization.encode("latin-1").decode("latin-1").strip()}
    assert call(target, "POST", f"/api/hubs/{HUB}/:send", header, b"x") in {400, 401}


CLAIM_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(
    st.dictionaries(
        st.sampled_from(["sub", "role", "webpubsub.group", "iat", "nbf", "iss", "kid", "x"]),
        CLAIM_VALUES,
    )
)
def test_claims_of_client_tokens(target: Target, claims: dict[str, Any]) -> None:
    """Signed with the right key: the client is accepted, or gets 400 or 401."""
    try:
        open_socket(target, JSON, HUB, **claims).close()
    except websocket.WebSocketBadStatusException as error:
        assert error.status_code in {400, 401}  # noqa: PT017 - both outcomes are valid


@given(texts_like("queries"))
def test_client_urls(target: Target, query: str) -> None:
    """Queries of a handshake, including recovery."""
    url = (
        f"{target.client_endpoint}/client/hubs/{HUB}?{quote(query.encode(errors='replace'), '=&')}"
    )
    try:
        websocket.create_connection(url, timeout=SECONDS, subprotocols=[JSON]).close()
    except websocket.WebSocketBadStatusException as error:
        assert error.status_code in {400, 401}  # noqa: PT017 - both outcomes are valid
