"""Tests of upstream.py."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Literal

import pytest

from webpubsub_emulator.events import ConnectAnswer, Event, EventAnswer, Refusal
from webpubsub_emulator.messages import DataType, Payload
from webpubsub_emulator.upstream import (
    Headers,
    Sender,
    UpstreamResponse,
    allows,
    build_request,
    is_retryable,
    read_connect_answer,
    read_event_answer,
    validation_request,
)

SENDER = Sender("127.0.0.1", "k" * 32)
URL = "http://app.example/hooks/e"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def response(status: int, body: bytes = b"", **headers: str) -> UpstreamResponse:
    """Return an answer of the app; underscores in header names become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return UpstreamResponse(status, Headers(tuple(named.items())), body)


def test_a_user_event_with_everything() -> None:
    """The request has the CloudEvents headers, the state, metadata and the original bytes."""
    payload = Payload("text", b"x", (("Trace", "1"), ("b", "")))
    event = Event("chat", "c1", "user", "e", 2, payload, "ann", "p", "")
    request = build_request(event, SENDER, URL, NOW, "id")
    signature = hmac.new(b"k" * 32, b"c1", hashlib.sha256).hexdigest()
    assert (request.method, request.url, request.body) == ("POST", URL, b"x")
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
        "Content-Type": "text/plain",
        "x-webpubsub-metadata-Trace": "1",
        "x-webpubsub-metadata-b": "",
    }


@pytest.mark.parametrize("user_id", [None, ""])
def test_what_is_not_set_has_no_header(user_id: str | None) -> None:
    """User, subprotocol, state, metadata and cookies are optional."""
    event = Event("chat", "c1", "sys", "connect", 0, Payload("json", b"{}"), user_id)
    headers = build_request(event, SENDER, URL, NOW, "id").headers
    assert headers["ce-type"] == "azure.webpubsub.sys.connect"
    absent = {"ce-userId", "ce-subprotocol", "ce-connectionState", "Cookie"}
    assert headers.keys().isdisjoint(absent)
    assert not [name for name in headers if "metadata" in name]


@pytest.mark.parametrize(
    ("kind", "data_type", "content_type"),
    [
        ("sys", "json", "application/json; charset=utf-8"),
        ("user", "json", "application/json"),
        ("user", "text", "text/plain"),
        ("user", "binary", "application/octet-stream"),
    ],
)
def test_content_types(
    kind: Literal["sys", "user"], data_type: DataType, content_type: str
) -> None:
    """As in the reference: with a charset for system events only."""
    event = Event("chat", "c1", kind, "e", 0, Payload(data_type, b"{}"))
    assert build_request(event, SENDER, URL, NOW, "id").headers["Content-Type"] == content_type


def test_the_connections_cookies_are_sent() -> None:
    """A cookie of an earlier answer is sent with the next event."""
    event = Event("chat", "c1", "user", "e", 2, Payload("text", b"x"))
    event.cookies.keep(URL, ["a=1", "b=2"])
    assert build_request(event, SENDER, URL, NOW, "id").headers["Cookie"] == "a=1; b=2"


def test_a_validation_has_no_signature() -> None:
    """The validation request has the service's host and the version only."""
    request = validation_request("OPTIONS", URL, "127.0.0.1")
    assert (request.method, request.url, request.body) == ("OPTIONS", URL, b"")
    assert request.headers == {"WebHook-Request-Origin": "127.0.0.1", "ce-awpsversion": "1.0"}


def test_secrets_are_not_shown() -> None:
    """The repr has no access key of a sender, and no signature and no code of a request."""
    assert SENDER.access_key not in repr(SENDER)
    event = Event("chat", "c1", "sys", "connect", 0, Payload("json", b"{}"))
    request = build_request(event, SENDER, f"{URL}?code=c0de", NOW, "id")
    assert "sha256" not in repr(request)
    assert "c0de" not in repr(request)


@pytest.mark.parametrize(
    ("status", "allowed", "result"),
    [
        (200, "*", True),
        (204, "127.0.0.1", True),
        (200, "127.0.0.1:80", False),
        (200, "other", False),
        (200, "127.0.0.1, other", False),
        (405, "*", False),
    ],
)
def test_abuse_protection(status: int, allowed: str, result: bool) -> None:
    """A successful answer accepts events with the host or a star as the whole value."""
    assert allows("127.0.0.1", response(status, WebHook_Allowed_Origin=allowed)) is result
    assert allows("127.0.0.1", response(status)) is False


def test_the_case_of_a_permitted_host_does_not_count() -> None:
    answer = response(200, WebHook_Allowed_Origin="Name.WebPubSub.example")
    assert allows("name.webpubsub.EXAMPLE", answer)


def test_what_is_sent_again() -> None:
    """408 and 5xx are retried."""
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
        (response(204, ce_connectionState=""), ConnectAnswer(connection_state="")),
        (response(200, b"{}", Content_Type="text/html"), ConnectAnswer()),
        (response(200, b'{"roles":["r","s"],"subprotocol":""}'), ConnectAnswer(roles=("r", "s"))),
        (response(403, b"no"), Refusal(403)),
        (response(429), Refusal(429)),
        (response(307), Refusal(307)),
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
    """2xx accepts with its values, another status refuses with it, nonsense refuses with 500."""
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
        (response(302, b"x"), None),
        (response(204), EventAnswer()),
        (response(200, b"", Content_Type="text/html"), EventAnswer()),
        (
            response(200, b"x", Content_Type="text/plain", X_WebPubSub_Metadata_Key="a, b "),
            EventAnswer(Payload("text", b"x", (("key", "b"),))),
        ),
        (
            response(204, x_webpubsub_metadata_k="v", ce_connectionState="s"),
            EventAnswer(Payload("text", b"", (("k", "v"),)), "s"),
        ),
        (response(400, x_webpubsub_metadata_k="v", ce_connectionState="s"), None),
    ],
)
def test_event_answers(answer: UpstreamResponse | None, expected: EventAnswer | None) -> None:
    """2xx is a message of its type or nothing; everything else is a failure."""
    assert read_event_answer(answer) == expected


def test_the_last_value_of_a_repeated_header_counts() -> None:
    """For the state of connect and user events, and for metadata."""
    headers = Headers(
        (
            ("CE-ConnectionState", "a"),
            ("X-WebPubSub-Metadata-K", "1"),
            ("ce-connectionstate", "b"),
            ("x-webpubsub-metadata-k", "2"),
        )
    )
    answer = UpstreamResponse(200, headers, b"")
    assert read_event_answer(answer) == EventAnswer(Payload("text", b"", (("k", "2"),)), "b")
    assert read_connect_answer(answer) == ConnectAnswer(connection_state="b")
