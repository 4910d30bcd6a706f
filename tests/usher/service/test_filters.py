"""User ids and connection ids in a filter of the service (`usher.service.pubsub`)."""

from hypothesis import given
from hypothesis import strategies as st

from usher.service.pubsub import _quote
from webpubsub_emulator.filters import Subject, parse_filter

NAMES = st.text(min_size=1, max_size=20) | st.lists(
    st.sampled_from(["'", "''", " or ", " eq ", "userId", "a", ")", "(", "null", "\\", "%27", "--"])
).map("".join)


@given(NAMES, NAMES, NAMES, NAMES)
def test_a_filter_selects_the_named_connection_and_no_other(
    user: str, connection: str, other_user: str, other_connection: str
) -> None:
    """Whatever an id contains: a quote in it does not end the text."""
    wanted = f"connectionId eq {_quote(connection)} and userId eq {_quote(user)}"
    is_selected = parse_filter(wanted).matches
    assert is_selected(Subject(user, connection, (), None))
    for subject in (
        Subject(other_user, connection, (), None),
        Subject(user, other_connection, (), None),
        Subject(None, connection, (), None),
    ):
        is_same = (subject.user_id, subject.connection_id) == (user, connection)
        assert is_selected(subject) == is_same
