import re

import pytest

from usher.visits import begin_visit, read_visit

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
FORM = re.compile("[0-9a-f]{32}")


@pytest.mark.parametrize(
    "text",
    [
        f"00-{TRACE}-{SPAN}-00",
        f"00-{TRACE}-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like",
    ],
)
def test_a_valid_traceparent_gives_the_visit(text: str) -> None:
    """W3C Trace Context: a later version may have more after the flags."""
    assert begin_visit({"traceparent": text}) == TRACE


@pytest.mark.parametrize(
    "text",
    [
        "",
        TRACE,
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"0x-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"cc-{TRACE}-{SPAN}-01-é",
    ],
)
def test_an_invalid_traceparent_is_ignored(text: str) -> None:
    """The visit is then as without the header: random."""
    visit = begin_visit({"traceparent": text})
    assert FORM.fullmatch(visit)
    assert visit not in (TRACE, begin_visit({"traceparent": text}), begin_visit({}))


def test_the_first_valid_visit_is_read() -> None:
    """In a state it is a text, in claims and query a list of texts."""
    assert read_visit("c-1", {"visit": TRACE}, {"visit": ["1" * 32]}) == TRACE
    assert read_visit("c-1", {}, {"visit": ["x", "1" * 32]}, {"visit": [TRACE]}) == "1" * 32


@pytest.mark.parametrize(
    "place",
    [
        None,
        [],
        "visit",
        {},
        {"Visit": TRACE},
        {"visit": None},
        {"visit": 5},
        {"visit": [[TRACE]]},
        {"visit": {"visit": TRACE}},
        {"visit": TRACE.upper()},
        {"visit": TRACE + "\n"},
        {"visit": TRACE + "0"},
        {"visit": "0" * 32},
        {"visit": ["<script>", ""]},
    ],
)
def test_a_connection_without_a_valid_visit_has_one_of_its_own(place: object) -> None:
    """It is the same for all events of the connection."""
    visit = read_visit("c-1", place)
    assert FORM.fullmatch(visit)
    assert visit == read_visit("c-1")
    assert visit not in (TRACE, read_visit("c-2", place))
