"""cors.py: which browsers may read the answers."""

import pytest

from localdev.host.bindings import Answer
from localdev.host.cors import CorsPolicy

ORIGIN = "http://page.example"
ALLOWED = (("Access-Control-Allow-Origin", ORIGIN), ("Vary", "Origin"))
CREDENTIALS = ("Access-Control-Allow-Credentials", "true")
PREFLIGHT = {"origin": ORIGIN, "access-control-request-method": "POST"}


@pytest.mark.parametrize(
    ("policy", "origin", "expected"),
    [
        (CorsPolicy((ORIGIN,)), ORIGIN, ALLOWED),
        (CorsPolicy((ORIGIN,), credentials=True), ORIGIN, (*ALLOWED, CREDENTIALS)),
        (CorsPolicy(("*",), credentials=True), ORIGIN, ALLOWED),
        (CorsPolicy((ORIGIN,)), "http://other.example", ()),
        (CorsPolicy((ORIGIN,)), None, ()),
        (CorsPolicy(()), ORIGIN, ()),
    ],
)
def test_response_headers(policy: CorsPolicy, origin: str | None, expected: object) -> None:
    """An allowed origin is named in the answer; `*` never allows cookies."""
    assert policy.response_headers({} if origin is None else {"origin": origin}) == expected


def test_preflight() -> None:
    """A preflight is answered with what it asks for."""
    headers = {**PREFLIGHT, "access-control-request-headers": "x-sample"}
    answer = CorsPolicy((ORIGIN,)).answer_preflight("OPTIONS", headers)
    assert answer is not None
    assert answer.status == 204
    assert dict(answer.headers) == {
        **dict(ALLOWED),
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "x-sample",
        "Access-Control-Max-Age": "600",
    }


def test_preflight_of_a_foreign_origin() -> None:
    """A foreign origin's preflight is answered without permission."""
    policy = CorsPolicy(("http://other.example",))
    assert policy.answer_preflight("OPTIONS", PREFLIGHT) == Answer(204)


@pytest.mark.parametrize(
    ("policy", "method", "headers"),
    [
        (CorsPolicy(()), "OPTIONS", PREFLIGHT),
        (CorsPolicy((ORIGIN,)), "GET", PREFLIGHT),
        (CorsPolicy((ORIGIN,)), "OPTIONS", {"origin": ORIGIN}),
        (CorsPolicy((ORIGIN,)), "OPTIONS", {"access-control-request-method": "POST"}),
    ],
)
def test_other_requests(policy: CorsPolicy, method: str, headers: dict[str, str]) -> None:
    """What is not a preflight, or has no CORS settings, goes on to the functions."""
    assert policy.answer_preflight(method, headers) is None
