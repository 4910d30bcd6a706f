"""Tests of filters.py."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webpubsub_emulator.filter_syntax import NESTING_LIMIT
from webpubsub_emulator.filters import FilterError, Subject, parse_filter

ANN = Subject("Ann", "c1", ("g1", "g2"), "json.webpubsub.azure.v1")
ANONYMOUS = Subject(None, "c2", (), None)


@pytest.mark.parametrize(
    ("text", "ann", "anonymous"),
    [
        # Identifiers and functions are in any case, values are not.
        ("userId eq 'Ann'", True, False),
        ("USERID eq 'ann'", False, False),
        ("connectionid ne 'c1'", False, True),
        ("StartsWith(UserId,'A')", True, False),
        ("STARTSWITH(userId, 'a')", False, False),
        ("'g2' in Groups", True, False),
        ("'G2' in groups", False, False),
        ("protocol eq 'json.webpubsub.azure.v1'", True, False),
        ("protocol eq null", False, True),
        # Logic.
        ("true", True, True),
        ("not false and true", True, True),
        ("true or false and false", True, True),
        ("(true or false) and false", False, False),
        ("not 'g1' in groups", False, True),
        ("not (userId eq 'Ann')", False, True),
        # Comparing different types for equality is not an error.
        ("userId eq null", False, True),
        ("null eq userId", False, True),
        ("userId ne null", True, False),
        ("null eq null", True, True),
        ("1 eq true", False, False),
        ("1 ne '1'", True, True),
        ("userId eq 1", False, False),
        ("0 eq false", False, False),
        # Order needs integers, and null has no order.
        ("length(userId) ge 3", True, False),
        ("length(userId) lt 3", False, False),
        ("length(userId) le 3 and length(userId) gt 2", True, False),
        ("null gt 1", False, False),
        ("-1 lt 0", True, True),
        # Membership.
        ("userId in ('Bob', 'Ann')", True, False),
        ("userId in ('Doe, John', null)", False, True),
        ("1 in (true, '1')", False, False),
        ("null in groups", False, False),
        ("groups in groups", False, False),
        ("groups eq groups", True, True),
        # Functions.
        ("length(groups) eq 2", True, False),
        ("length('') eq 0", True, True),
        ("tolower(userId) eq 'ann'", True, False),
        ("toupper(userId) eq 'ANN'", True, False),
        ("trim('  x ') eq 'x'", True, True),
        ("trim(userId) eq null", False, True),
        ("length(userId) eq null", False, True),
        ("contains(userId, 'nn')", True, False),
        ("startswith(userId, 'An')", True, False),
        ("startswith('Ann', userId)", True, False),
        ("endswith(userId, 'A')", False, False),
        ("not endswith(userId, 'x')", True, True),
        ("indexof(userId, 'n') eq 1", True, False),
        ("indexof(userId, 'x') eq -1", True, True),
        ("concat(userId, '!') eq 'Ann!'", True, False),
        ("concat(userId, '!') eq '!'", False, True),
        ("concat('!', userId) eq '!'", False, True),
        ("concat(userId, userId) eq null", False, True),
        ("substring(userId, 1) eq 'nn'", True, False),
        ("substring(userId, 1, 1) eq 'n'", True, False),
        ("substring(userId, 3) eq ''", True, False),
        ("substring(userId, 4) eq null", True, True),
        ("substring(userId, 1, 3) eq null", True, True),
        ("substring(userId, -1) eq null", True, True),
        ("substring(userId, 1, -1) eq null", True, True),
        ("substring(connectionId, 1) eq '1'", True, False),
    ],
)
def test_filters_match(text: str, ann: bool, anonymous: bool) -> None:
    """Each rule of reference-odata-filter, for a connection with a user and one without."""
    subject = parse_filter(text)
    assert (subject.matches(ANN), subject.matches(ANONYMOUS)) == (ann, anonymous)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("( not 'a' )", "'not 'a'': Type 'string', expect 'bool'."),
        ("userId lt 1", "'userId lt 1': Type 'string', expect 'int'."),
        ("1 lt groups", "'1 lt groups': Type 'collection', expect 'int'."),
        ("invalid(ab,c)", "'invalid(ab,c)': Token 'invalid(ab,c)' is not supported."),
        ("ab eq 1", "'ab eq 1': Token 'ab' is not supported."),
        ("not  ab", "'not ab': Token 'ab' is not supported."),
        ("userId eq null or connectionId",
         "'(userId eq null) or connectionId': Type 'string', expect 'bool'."),
        ("true or 1 or ab", "'True or 1': Type 'int', expect 'bool'."),
        ("true or false or ab or 1",
         "'((True or False) or ab) or 1': Token 'ab' is not supported."),
        ("1 and true", "'1 and True': Type 'int', expect 'bool'."),
        ("not (length(userId))", "'not length(userId)': Type 'null', expect 'bool'."),
        ("not length(userId) gt 5", "'not length(userId)': Type 'null', expect 'bool'."),
        ("groups", "'groups': Type 'collection', expect 'bool'."),
        ("'a'", "''a'': Type 'string', expect 'bool'."),
        ("userId in 'a'", "'userId in 'a'': Type 'string', expect 'collection'."),
        ("1 in (1, ab)", "'1 in (1,ab)': Token 'ab' is not supported."),
        ("length(1) eq 1", "'length(1)': Invalid token 'length(1)'."),
        ("length('a','b') eq 1", "'length('a','b')': Invalid token 'length('a','b')'."),
        ("substring('a') eq 'a'", "'substring('a')': Invalid token 'substring('a')'."),
        ("LENGTH(1) eq 1", "'LENGTH(1)': Invalid token 'LENGTH(1)'."),
        ("tolower(1) eq 'a'", "'tolower(1)': Type 'int', expect 'string'."),
        ("concat(userId, 1) eq '1'", "'concat(userId,1)': Type 'int', expect 'string'."),
        ("substring('a', 'b') eq 'a'", "'substring('a','b')': Type 'string', expect 'int'."),
        ("substring(connectionId, 1) gt 5",
         "'substring(connectionId,1) gt 5': Type 'string', expect 'int'."),
        (" ", "' ': Syntax error at position 1 in ' '."),
        ("a/any()", "'a/any()': Syntax error at position 1 in 'a/any()'."),
    ],
)  # fmt: skip
def test_mistakes_are_found_when_the_filter_is_read(text: str, message: str) -> None:
    """Tokens, arguments and types are checked with the service's own texts, even after `or`."""
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert str(caught.value) == f"Invalid syntax for {message} (Parameter 'filter')"


@pytest.mark.parametrize("text", ["contains(userId, 1)", "length(userId) gt 'a'"])
def test_a_null_hides_a_mistake(text: str) -> None:
    """A type error that only a connection with a user shows is raised by `matches`."""
    subject = parse_filter(text)
    assert not subject.matches(ANONYMOUS)
    with pytest.raises(FilterError, match="Type"):
        subject.matches(ANN)


@pytest.mark.parametrize("count", [100, 20_000])
def test_many_clauses(count: int) -> None:
    """Far more than a hundred clauses are allowed, and an error in the last one is found."""
    text = " or ".join(f"userId eq 'u{number}'" for number in range(count))
    assert parse_filter(text).matches(Subject(f"u{count - 1}", "c", (), None))
    with pytest.raises(FilterError, match="expect 'bool'"):
        parse_filter(text + " or 1")


def test_the_deepest_filter_is_evaluated() -> None:
    """The nesting limit leaves room on the stack for every kind of nesting."""
    inner = "true"
    for _ in range(NESTING_LIMIT):
        inner = f"false or true and true eq ({inner})"
    assert parse_filter(inner).matches(ANN)


WORDS = st.sampled_from(
    ["userId", "groups", "and", "or", "not", "eq", "gt", "in", "(", ")", ",", "'a'", "1", "-1",
     "null", "true", "length", "substring", "concat", "tolower", "contains", " ", "'", "é", "\x00"]
)  # fmt: skip
TEXTS = st.text(max_size=40) | st.lists(WORDS, max_size=25).map(" ".join)


@given(TEXTS)
@settings(deadline=None, max_examples=500)
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    """No text causes another exception, neither when it is read nor when it is matched."""
    try:
        subject = parse_filter(text)
        results = [subject.matches(one) for one in (ANN, ANONYMOUS)]
    except FilterError:
        return
    assert all(isinstance(result, bool) for result in results)
