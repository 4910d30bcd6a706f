"""cors.py: which pages may read responses."""

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
    """The response names an allowed origin; `*` never allows cookies."""
    assert policy.response_headers({} if origin is None else {"origin": origin}) == expected


def test_preflight() -> None:
    """The response to a preflight allows what the preflight asks for."""
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
    """The response to another origin's preflight has no permission."""
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
    """Other requests, and all requests without CORS settings, go to the functions."""
    assert policy.answer_preflight(method, headers) is None
