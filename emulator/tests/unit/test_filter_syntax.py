"""Tests of filter_syntax.py."""

import pytest

from webpubsub_emulator.filter_syntax import (
    NESTING_LIMIT,
    FilterSyntaxError,
    describe,
    parse,
)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("userId  eq\t'a'", "userId eq 'a'"),
        ("a eq 1 and b eq 2 or c eq 3", "((a eq 1) and (b eq 2)) or (c eq 3)"),
        ("a eq 1 or b eq 2 and c eq 3", "(a eq 1) or ((b eq 2) and (c eq 3))"),
        ("a or b or c or d", "((a or b) or c) or d"),
        ("(a or b) and c", "(a or b) and c"),
        ("not a eq b", "(not a) eq b"),
        ("not not a", "not (not a)"),
        ("not 'g' in groups", "not ('g' in groups)"),
        ("x in ( 'a' , 'b' )", "x in ('a','b')"),
        ("length( f(a,b) ) gt -5", "length(f(a,b)) gt -5"),
        ("f()", "f()"),
        ("true eq null", "True eq null"),
        ("(((a)))", "a"),
        ("TRUE", "TRUE"),
    ],
)
def test_precedence(text: str, printed: str) -> None:
    """`in` binds tightest, then `not`, comparisons, `and`, `or`; trees print as in the service."""
    assert describe(parse(text)) == printed


def test_quotes_are_doubled_in_strings() -> None:
    assert describe(parse("'O''Brien, (x) and'")) == "'O'Brien, (x) and'"


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        (" ", 1),
        ("a b", 2),
        ("'a", 0),
        ("'''", 0),
        ("(a", 2),
        ("a)", 1),
        ("a eq", 4),
        ("a eq b eq c", 7),
        ("eq eq eq", 0),
        ("a in", 4),
        ("a in ()", 6),
        ("a in ('b',)", 10),
        ("f(,)", 2),
        ("a add 1", 2),
        ("groups/any(g: g eq 'a')", 6),
        ("1.5 eq 1", 1),
        ("2147483648 eq 1", 0),
        ("-2147483649 eq 1", 0),
        ("9" * 5000, 0),
        ("a EQ b", 2),
        ("a && b", 2),
    ],
)
def test_mistakes(text: str, position: int) -> None:
    """The error names the position."""
    with pytest.raises(FilterSyntaxError, match=rf"Syntax error at position {position} in "):
        parse(text)


@pytest.mark.parametrize(("before", "after"), [("(", ")"), ("not ", ""), ("f(", ")")])
def test_nesting_has_a_limit(before: str, after: str) -> None:
    """No filter can exhaust Python's stack."""
    parse(before * NESTING_LIMIT + "a" + after * NESTING_LIMIT)
    for depth in (NESTING_LIMIT + 1, 100_000):
        with pytest.raises(FilterSyntaxError, match="nested too deeply"):
            parse(before * depth + "a" + after * depth)
