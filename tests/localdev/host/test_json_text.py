"""json_text.py: JSON and UTF-8 as the extension writes them."""

import pytest

from localdev.host.json_text import encode_text, write_json


def test_json() -> None:
    """JSON is on one line, or indented by two spaces, and keeps characters outside of ASCII."""
    assert write_json({"a": [1, "ü"]}) == '{"a":[1,"ü"]}'
    assert write_json({"a": [1, "ü"]}, indented=True) == '{\n  "a": [\n    1,\n    "ü"\n  ]\n}'


def test_line_ends_are_escaped() -> None:
    """The line ends of Unicode are escaped."""
    assert write_json("\x85\u2028\u2029\n") == r'"\u0085\u2028\u2029\n"'


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("ü😀", "ü😀"),
        ("a\ud800b\udfff", "a\ufffdb\ufffd"),
    ],
)
def test_encoding(text: str, encoded: str) -> None:
    """A lone surrogate becomes U+FFFD."""
    assert encode_text(text) == encoded.encode()
