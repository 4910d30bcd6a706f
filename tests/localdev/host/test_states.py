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
    "text",
    [
        '{"key":"a"}',
        '{"key":1}',
        '{"key":null}',
        '{"good":"MQ==","key":"M"}',
        '{"key":"Ij8_Pj8i"}',
        "[]",
        '"x"',
        "1",
    ],
)
def test_states_of_another_writer(text: str) -> None:
    """Without an object of base64 values there are no states."""
    assert decode_states(base64_of(text)) == {}


def test_empty_header() -> None:
    """An empty header has no states."""
    assert decode_states("") == {}


@pytest.mark.parametrize("text", ["no JSON", "null", "NaN", "{} x", '{"key":"bm8ganNvbg=="}'])
def test_undecodable_text(text: str) -> None:
    """Base64 of null, of a text that is not JSON, or of such a state is rejected."""
    with pytest.raises(ValueError, match=r"."):
        decode_states(base64_of(text))


@pytest.mark.parametrize("header", ["?", f"{HEADER[:4]}?{HEADER[4:]}", HEADER[:-1], "/w=="])
def test_undecodable_header(header: str) -> None:
    """A header that is not base64 of UTF-8 is rejected."""
    with pytest.raises(ValueError, match=r"."):
        decode_states(header)


def test_white_space_in_base64() -> None:
    """White space inside base64 is ignored, in the header and in its values."""
    header = base64_of('{"a": "Ing i"}')
    assert decode_states(f" {header[:5]} \t{header[5:]}") == {"a": "x"}


def test_lone_surrogates() -> None:
    """A lone surrogate becomes U+FFFD, in names and in states."""
    assert decode_states(encode_states({"a\ud800": ["\udfff"]})) == {"a\ufffd": ["\ufffd"]}


def base64_of(text: str) -> str:
    """Return base64 of a text."""
    return base64.b64encode(text.encode()).decode()
