"""Tests of group_patterns.py."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpubsub_emulator.group_patterns import LENGTH_LIMIT, parse_pattern


@pytest.mark.parametrize(
    ("pattern", "fits", "misses"),
    [
        ("a?c", ["abc", "a?c"], ["ac", "abbc", "a.c", "ABC"]),
        ("a*", ["a", "abc"], ["a.b", "ba", "A"]),
        ("a.*", ["a.", "a.b"], ["a", "a.b.c"]),
        ("*.b", [".b", "a.b"], ["b", "a.a.b"]),
        ("a**", ["a", "a.b.c", "a\n.b"], ["b"]),
        ("**b", ["b", "a.b"], ["b.a"]),
        ("a**b*c", ["abc", "a.x.bxc"], ["a.b.c"]),
        ("***", ["", "a.b"], []),
        (r"a\*", ["a*"], ["ab", r"a\*"]),
        (r"a\?b", ["a?b"], ["axb"]),
        (r"a\\*", ["a\\", "a\\b"], ["a*", "a"]),
        ("[a]+", ["[a]+"], ["a"]),
    ],
)
def test_wildcards(pattern: str, fits: list[str], misses: list[str]) -> None:
    """`?` and `*` do not match dots, `**` does; the whole name must match, including its case."""
    subject = parse_pattern(pattern)
    assert subject is not None
    assert [group for group in (*fits, *misses) if subject.matches(group)] == fits


@pytest.mark.parametrize(
    ("pattern", "valid"),
    [
        ("", False),
        ("a\\", False),
        (r"\a", False),
        ("*****", True),
        ("******", False),
        ("**a**b*", True),
        ("**a**b**", False),
        (r"*a*b*c*d*\*\*", True),
        (r"\\*a*b*c*d*", True),
        (r"\\*a*b*c*d*e*", False),
        ("??????", True),
        ("x" * LENGTH_LIMIT, True),
        ("x" * (LENGTH_LIMIT + 1), False),
    ],
)
def test_validity(pattern: str, valid: bool) -> None:
    """Only known escapes, at most five stars (two in a row count as two) and 1,024 characters."""
    assert (parse_pattern(pattern) is not None) is valid


@pytest.mark.parametrize(
    ("pattern", "literal"), [("a.b", "a.b"), (r"a\*", "a*"), ("a*", None), ("?", None)]
)
def test_literals(pattern: str, literal: str | None) -> None:
    """A pattern without a wildcard matches one group."""
    subject = parse_pattern(pattern)
    assert subject is not None
    assert subject.literal == literal


def test_the_worst_pattern_is_quick() -> None:
    """All alternatives are followed at the same time."""
    subject = parse_pattern("*a*a*a*a*b")
    assert subject is not None
    assert not subject.matches("a" * 1024)


@given(st.text("a.*?", max_size=8), st.text("a.b", max_size=8))
def test_patterns_match_as_expressions_do(text: str, group: str) -> None:
    """Matching agrees with a regular expression made from the pattern."""
    subject = parse_pattern(text)
    if subject is None:
        return
    some, one = "[^.]*", "[^.]"
    expression = "".join(
        ".*" if part.startswith("**") else {"*": some, "?": one}.get(part, re.escape(part))
        for part in re.findall(r"\*+|.", text)
    )
    assert subject.matches(group) is (re.fullmatch(expression, group, re.DOTALL) is not None)


@given(st.text("a.*?\\", max_size=8))
def test_a_pattern_can_be_read_again(text: str) -> None:
    """The text of a pattern has the meaning of the pattern."""
    subject = parse_pattern(text)
    if subject is not None:
        assert parse_pattern(str(subject)) == subject
