"""Tests of json_text.py."""

import pytest

from webpubsub_emulator.json_text import parse_json


@pytest.mark.parametrize("text", ["[" * 100_000, "Infinity", "{'a':1}", ""])
def test_bad_json_is_one_error(text: str) -> None:
    """Deep nesting and Python's additions to JSON are a ValueError like other mistakes."""
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)
