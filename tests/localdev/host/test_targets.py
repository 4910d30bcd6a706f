"""targets.py: paths and queries as ASP.NET Core reads them. The recordings have more of them."""

import pytest

from localdev.host.targets import TargetError, parse_query, read_target


@pytest.mark.parametrize(
    ("sent", "path", "in_url"),
    [
        ("/api/rooms", "/api/rooms", "/api/rooms"),
        ("/%41%c3%a4?a=%41", "/Aä", "/A%C3%A4?a=%41"),
        ("/a%2fb%2Fc", "/a%2fb%2Fc", "/a%2fb%2Fc"),
        ("/%ffx%c3%a4%ed%a0%80", "/%ffxä%ed%a0%80", "/%ffx%C3%A4%ed%a0%80"),
        ("/%c3/%a4", "/%c3/%a4", "/%c3/%a4"),
        ("/%/%4/%zz", "/%/%4/%zz", "/%25/%254/%25zz"),
        ("/a/./b/../c", "/a/c", "/a/c"),
        ("/a/%2e%2E/..", "/", "/"),
        ("/a/b/..", "/a/", "/a/"),
        ("/a//.b", "/a//.b", "/a//.b"),
        ("/{x}|#", "/{x}|#", "/%7Bx%7D%7C%23"),
    ],
)
def test_paths(sent: str, path: str, in_url: str) -> None:
    """A path is decoded once, and functions see it encoded again, with the query as sent."""
    target = read_target(sent)
    assert (target.path, target.in_url) == (path, in_url)


@pytest.mark.parametrize("sent", ["", "*", "api", "http://a/b", "/a%00b", "/ä", "/a?b=ä"])
def test_rejected_targets(sent: str) -> None:
    with pytest.raises(TargetError):
        read_target(sent)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2&a=", {"a": "1,2"}),
        ("a=&b&=", {}),
        ("A=1&a=2", {"a": "1,2"}),
        ("a=1&A=2&a=3", {"A": "1,2,3"}),
        ("=x&&", {"": "x"}),
        ("name=a%2Cb+c", {"name": "a,b c"}),
        ("%C3%A4=%ff%zz", {"ä": "%ff%zz"}),
    ],
)
def test_query(query: str, expected: dict[str, str]) -> None:
    """A query has one value per name: repeated ones joined, empty ones dropped."""
    assert parse_query(query) == expected
