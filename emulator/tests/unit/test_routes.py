"""Tests of routes.py."""

import pytest

from webpubsub_emulator.routes import split_path


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ("tenant%2Falice", "tenant%2Falice"),
        ("tenant%2falice", "tenant%2falice"),
        ("tenant%252Falice", "tenant%2Falice"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("a%3Fb", "a?b"),
        ("%C3%A9", "é"),
        ("%FF", "\ufffd"),
    ],
)
def test_an_encoded_slash_stays_and_all_else_is_decoded_once(segment: str, name: str) -> None:
    assert split_path(f"/api/{segment}") == ("", "api", name)


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/api/health/", ("", "api", "health")),
        ("/api/health//", ("", "api", "health", "")),
        ("/api/health%2F", ("", "api", "health%2F")),
        ("/", ("",)),
    ],
)
def test_one_slash_at_the_end_is_ignored(path: str, segments: tuple[str, ...]) -> None:
    assert split_path(path) == segments
