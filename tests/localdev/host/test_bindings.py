"""bindings.py: queries and headers of HTTP requests as a function receives them."""

import pytest

from localdev.host.bindings import group_headers, join_headers, parse_query


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2&a=", {"a": "1,2"}),
        ("a=&b", {}),
        ("A=1&a=2", {"A": "1,2"}),
        ("name=a%2Cb+c", {"name": "a,b c"}),
    ],
)
def test_query(query: str, expected: dict[str, str]) -> None:
    """A query has one value per key: repeated ones joined, empty ones dropped."""
    assert parse_query(query) == expected


def test_headers_are_joined() -> None:
    """A function sees one value per header, joined with commas."""
    assert join_headers([("Accept", "a"), ("ACCEPT", "b"), ("X-One", "c")]) == {
        "accept": "a,b",
        "x-one": "c",
    }


def test_headers_are_grouped() -> None:
    """Grouped headers keep the name as it was first written."""
    assert group_headers([("Ce-Hub", "a"), ("ce-hub", "b")]) == {"Ce-Hub": ["a", "b"]}
