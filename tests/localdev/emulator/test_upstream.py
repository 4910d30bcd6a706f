"""Tests of localdev/emulator/upstream.py."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from localdev.emulator.events import ConnectAnswer, Event, EventAnswer, Refusal
from localdev.emulator.messages import Payload
from localdev.emulator.upstream import (
    Headers,
    Sender,
    UpstreamResponse,
    allows,
    build_request,
    check_template,
    is_retryable,
    read_connect_answer,
    read_event_answer,
    resolve_url,
)

SENDER = Sender("127.0.0.1", "k" * 32)
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def response(status: int, body: bytes = b"", **headers: str) -> UpstreamResponse:
    """An answer of the app; underscores in header names are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return UpstreamResponse(status, Headers(tuple(named.items())), body)


def test_a_user_event_with_everything() -> None:
    """The request has the CloudEvents headers, the state and the data's own bytes."""
    event = Event("chat", "c1", "user", "e", 2, Payload("text", b"x"), "ann", "p", "")
    request = build_request(event, SENDER, NOW, "id")
    signature = hmac.new(b"k" * 32, b"c1", hashlib.sha256).hexdigest()
    assert request.body == b"x"
    assert request.headers == {
        "ce-specversion": "1.0",
        "ce-awpsversion": "1.0",
        "ce-type": "azure.webpubsub.user.e",
        "ce-source": "/hubs/chat/client/c1",
        "ce-id": "2",
        "ce-time": "2026-01-02T03:04:05Z",
        "ce-signature": f"sha256={signature}",
        "ce-connectionId": "c1",
        "ce-hub": "chat",
        "ce-eventName": "e",
        "ce-userId": "ann",
        "ce-subprotocol": "p",
        "ce-connectionState": "",
        "x-ms-client-request-id": "id",
        "WebHook-Request-Origin": "127.0.0.1",
        "Content-Type": "text/plain; charset=utf-8",
    }


def test_what_is_not_set_has_no_header() -> None:
    """No user, no subprotocol and no state mean no header for them."""
    event = Event("chat", "c1", "sys", "connect", 0, Payload("json", b"{}"))
    request = build_request(event, SENDER, NOW, "id")
    assert request.headers["ce-type"] == "azure.webpubsub.sys.connect"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers.keys().isdisjoint({"ce-userId", "ce-subprotocol", "ce-connectionState"})


def test_the_key_is_not_shown() -> None:
    """The sender's repr has no access key."""
    assert SENDER.access_key not in repr(SENDER)


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("http://h/api/{HUB}/{event}?code=a%2Bb", "http://h/api/cha%5Bt/a.b?code=a%2Bb"),
        ("https://h:1/fixed", "https://h:1/fixed"),
    ],
)
def test_templates_are_resolved(template: str, url: str) -> None:
    """Parameters in any case are replaced and encoded; all else stays as it is."""
    check_template(template)
    assert resolve_url(template, "cha[t", "a.b") == url


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("ftp://h/", "http"),
        ("h/path", "http"),
        ("http:///path", "host name"),
        ("http://{hub}.example/", "host name"),
        ("http://h/{user}", "two parameters"),
        ("http://h/{hub", "two parameters"),
        ("http://h:port/", "not a URL"),
        ("http://[::/", "not a URL"),
    ],
)
def test_bad_templates_are_explained(template: str, text: str) -> None:
    """The error says what is wrong with an event handler URL."""
    with pytest.raises(ValueError, match=text):
        check_template(template)


@pytest.mark.parametrize(
    ("status", "allowed", "result"),
    [
        (200, "*", True),
        (204, "127.0.0.1", True),
        (200, "other", False),
        (200, "127.0.0.1, other", False),
        (405, "*", False),
    ],
)
def test_abuse_protection(status: int, allowed: str, result: bool) -> None:
    """The host or a star, as the whole value, of a successful answer permits events."""
    assert allows("127.0.0.1", response(status, WebHook_Allowed_Origin=allowed)) is result
    assert allows("127.0.0.1", response(status)) is False


def test_what_is_sent_again() -> None:
    """408 and 5xx are worth another attempt."""
    assert [s for s in (200, 400, 404, 408, 429, 500, 503) if is_retryable(s)] == [408, 500, 503]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, Refusal(500)),
        (response(401, b'{"userId":"x"}'), Refusal(401)),
        (response(503), Refusal(503)),
        (response(204), ConnectAnswer()),
        (response(200, b"null", ce_connectionState="s"), ConnectAnswer(connection_state="s")),
        (
            response(200, b'{"userId":"","roles":[],"groups":[],"subprotocol":"p"}'),
            ConnectAnswer("", (), None, "p"),
        ),
        (
            response(200, b'{"userId":null,"roles":null,"groups":["g"],"more":1}'),
            ConnectAnswer(None, None, ("g",)),
        ),
        (response(200, b"{"), Refusal(500)),
        (response(200, b"\xff"), Refusal(500)),
        (response(200, b"[]"), Refusal(500)),
        (response(200, b"[" * 100_000), Refusal(500)),
        (response(200, b'{"roles":[null]}'), Refusal(500)),
        (response(200, b'{"groups":[" "]}'), Refusal(500)),
        (response(200, b'{"userId":1}'), Refusal(500)),
    ],
)
def test_connect_answers(
    answer: UpstreamResponse | None, expected: ConnectAnswer | Refusal
) -> None:
    """2xx accepts with what it says, another status refuses as it is, nonsense with 500."""
    assert read_connect_answer(answer) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, None),
        (response(500, b"x"), None),
        (response(204, ce_connectionState=""), EventAnswer(None, "")),
        (response(200, b"x", Content_Type="text/plain"), EventAnswer(Payload("text", b"x"))),
        (response(200, b"1", Content_Type="application/json"), EventAnswer(Payload("json", b"1"))),
        (response(200, b"x"), EventAnswer(Payload("binary", b"x"))),
        (response(200, b"{", Content_Type="application/json"), None),
        (response(200, b"<p>", Content_Type="text/html"), None),
    ],
)
def test_event_answers(answer: UpstreamResponse | None, expected: EventAnswer | None) -> None:
    """2xx is a message of its type, or nothing; everything else is a failure."""
    assert read_event_answer(answer) == expected


def test_the_last_state_counts() -> None:
    """A header that comes twice has its last value."""
    headers = Headers((("CE-ConnectionState", "a"), ("ce-connectionstate", "b")))
    answer = read_event_answer(UpstreamResponse(200, headers, b""))
    assert answer == EventAnswer(None, "b")
