"""Tests of media_types.py."""

import pytest

from webpubsub_emulator.media_types import (
    MediaTypeError,
    payload_from_body,
)
from webpubsub_emulator.messages import Payload


@pytest.mark.parametrize(
    ("content_type", "body", "payload"),
    [
        (None, b"\xff", Payload("binary", b"\xff")),
        ("application/octet-stream", b"\xff", Payload("binary", b"\xff")),
        ("text/plain", "é".encode(), Payload("text", "é".encode())),
        ("TEXT/plain; charset=latin-1", b"\xe9", Payload("text", "é".encode())),
        ("application/json; charset=utf-8", b'{"a": 1.0}', Payload("json", b'{"a": 1.0}')),
        ("application/json", b"null", Payload("json", b"null")),
    ],
)
def test_bodies_become_payloads(content_type: str | None, body: bytes, payload: Payload) -> None:
    """The type decides, text becomes UTF-8, and JSON keeps its text."""
    assert payload_from_body(content_type, body) == payload


@pytest.mark.parametrize(
    "content_type",
    ["", "nonsense", "application/xml", "application/x-protobuf", "text/plain; charset=klingon"],
)
def test_other_types_are_refused(content_type: str) -> None:
    """Messages have three types; unknown charsets are refused too."""
    with pytest.raises(MediaTypeError):
        payload_from_body(content_type, b"{}")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/json", b"{"), ("application/json", b""), ("text/plain", b"\xff")],
)
def test_bodies_must_be_what_their_type_says(content_type: str, body: bytes) -> None:
    """Invalid JSON, or text that is not in its charset, is a ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        payload_from_body(content_type, body)
