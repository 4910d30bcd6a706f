"""Tests of paging.py."""

import base64

import pytest

from webpubsub_emulator.paging import decode_cursor, encode_cursor

KEY = "k" * 32


def test_a_cursor_gives_its_id_back() -> None:
    """A token has only characters that a URL can have unquoted."""
    token = encode_cursor(KEY, "hub\ngroup", "c1>?")
    assert decode_cursor(KEY, "hub\ngroup", token) == "c1>?"
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "*",
        "é",
        "abc",
        base64.urlsafe_b64encode(b"\xff" * 40).decode(),
        encode_cursor(KEY, "hub\nother", "c1"),
        "A" + encode_cursor(KEY, "hub\ngroup", "c1")[1:],
        "A" * 2049,
    ],
)
def test_other_tokens_are_refused(token: str) -> None:
    """Garbage, changed tokens and tokens of another group are a ValueError."""
    with pytest.raises(ValueError, match=r".*"):
        decode_cursor(KEY, "hub\ngroup", token)
