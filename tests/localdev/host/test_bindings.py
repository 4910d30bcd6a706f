"""bindings.py: headers of HTTP requests as a function receives them."""

from localdev.host.bindings import group_headers, join_headers


def test_headers_are_joined() -> None:
    """A function sees one value per header, joined with commas."""
    assert join_headers([("Accept", "a"), ("ACCEPT", "b"), ("X-One", "c")]) == {
        "accept": "a,b",
        "x-one": "c",
    }


def test_headers_are_grouped() -> None:
    """Grouped headers keep the name as it was first written."""
    assert group_headers([("Ce-Hub", "a"), ("ce-hub", "b")]) == {"Ce-Hub": ["a", "b"]}
