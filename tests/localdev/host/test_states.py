"""states.py: the ce-connectionState header."""

import base64

import pytest

from localdev.host.states import decode_states, encode_states

STATES = {"room": "blue", "seat": {"n": 7}}
HEADER = "eyJyb29tIjoiSW1Kc2RXVWkiLCJzZWF0IjoiZXlKdUlqbzNmUT09In0="


def test_encoding() -> None:
    """The states become base64 of an object of base64 values, as the real extension writes them."""
    assert encode_states(STATES) == HEADER


def test_decoding() -> None:
    """The header becomes native JSON values again."""
    assert decode_states(HEADER) == STATES


@pytest.mark.parametrize(
    "text", ['{"key":"a"}', '{"key":1}', "[]", "no JSON", '{"key":"bm8ganNvbg=="}']
)
def test_undecodable_text(text: str) -> None:
    """Base64 of anything but base64 values of JSON is rejected."""
    with pytest.raises(ValueError, match=r"."):
        decode_states(base64.b64encode(text.encode()).decode())


@pytest.mark.parametrize("header", ["?", f"{HEADER[:4]}?{HEADER[4:]}"])
def test_undecodable_header(header: str) -> None:
    """A header with characters outside of base64 is rejected."""
    with pytest.raises(ValueError, match=r"."):
        decode_states(header)
