"""cors.py: which pages may read responses. The recordings have more cases."""

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
        (CorsPolicy(("*",)), ORIGIN, (("Access-Control-Allow-Origin", "*"),)),
        (CorsPolicy(("*",)), "", ()),
        (CorsPolicy(("*", "http://other.example")), ORIGIN, ()),
        (CorsPolicy((ORIGIN,)), ORIGIN.upper(), ()),
        (CorsPolicy((ORIGIN,)), f"{ORIGIN}/", ()),
        (CorsPolicy((ORIGIN,)), "http://other.example", ()),
        (CorsPolicy((ORIGIN,)), None, ()),
        (CorsPolicy(()), ORIGIN, ()),
    ],
)
def test_response_headers(policy: CorsPolicy, origin: str | None, expected: object) -> None:
    """The response names an allowed origin; only a single `*` allows all."""
    assert policy.permit(Answer(200), origin).headers == expected


def test_own_headers_of_a_function() -> None:
    """They are replaced, except Vary, which is added."""
    own = (("access-control-allow-origin", "*"), ("Vary", "X"), ("X-Other", "1"))
    answer = CorsPolicy((ORIGIN,)).permit(Answer(201, own, b"x"), ORIGIN)
    assert answer == Answer(201, (("Vary", "X"), ("X-Other", "1"), *ALLOWED), b"x")


def test_preflight() -> None:
    """The response to a preflight allows what the preflight asks for."""
    headers = {**PREFLIGHT, "access-control-request-headers": "x-sample, X-Other"}
    answer = CorsPolicy((ORIGIN,)).answer_preflight("OPTIONS", headers)
    assert answer is not None
    assert answer.status == 204
    assert dict(answer.headers) == {
        **dict(ALLOWED),
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "x-sample,X-Other",
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
