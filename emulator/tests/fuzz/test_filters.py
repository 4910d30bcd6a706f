"""Fuzz filters: each text is a filter or a FilterError, and a filter can match any connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.corpus import read_corpus, texts_like
from webpubsub_emulator.filters import FilterError, Subject, parse_filter

WORDS = [
    *(
        "userId",
        "connectionId",
        "groups",
        "protocol",
        "GROUPS",
        "eq",
        "ne",
        "gt",
        "le",
        "in",
        "and",
    ),
    *("or", "not", "null", "true", "'a'", "''''", "1", "-1", "(", ")", ",", "length", "tolower"),
    *("contains", "startswith", "indexof", "concat", "substring", "trim", "x", "'", "2147483648"),
]
SUBJECTS = st.builds(
    Subject,
    user_id=st.none() | st.text(max_size=5),
    connection_id=st.text(max_size=5),
    groups=st.frozensets(st.text(max_size=3), max_size=3),
    protocol=st.none() | st.just("json.webpubsub.azure.v1"),
)
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)


def parse_and_match(text: str, subject: Subject) -> None:
    try:
        found = parse_filter(text).matches(subject)
    except FilterError as error:
        assert str(error)  # noqa: PT017 - the text is in the answer
    else:
        assert isinstance(found, bool)


@pytest.mark.parametrize("text", read_corpus("values"))
def test_filters_of_the_corpus(text: str) -> None:
    for user_id in (None, "ana"):
        parse_and_match(text, Subject(user_id, "c", frozenset({"a"}), None))


@given(SENTENCES | texts_like("values") | st.text(max_size=40), SUBJECTS)
def test_filters(text: str, subject: Subject) -> None:
    """Words of the language in any order, changed filters, and any text."""
    parse_and_match(text, subject)


@given(st.sampled_from(["(", "not ", "not (", "length(", "concat('a', "]), st.integers(1, 20_000))
def test_nesting_of_any_depth(piece: str, depth: int) -> None:
    parse_and_match(
        piece * depth + "userId eq 'a'" + ")" * depth, Subject("a", "c", frozenset(), None)
    )
