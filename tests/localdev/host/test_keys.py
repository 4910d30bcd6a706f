"""keys.py: which key a request shows, and what it opens."""

import pytest

from localdev.host.bindings import Headers
from localdev.host.keys import Keys, make_keys, read_key

KEYS = Keys("M", "F", "S")


def test_keys_are_made_anew() -> None:
    """No two are alike, none is short, and none needs an escape in a query."""
    keys = [getattr(made, name) for made in (make_keys(), make_keys()) for name in vars(KEYS)]
    assert len(set(keys)) == 6
    for key in keys:
        assert len(key) >= 40
        assert read_key((), f"code={key}") == key


def test_repr_shows_no_key() -> None:
    """So that no log and no traceback can show one."""
    assert repr(KEYS) == "Keys()"


@pytest.mark.parametrize(
    ("level", "opening"),
    [
        ("anonymous", ["", *"MFSX"]),
        ("ANONYMOUS", ["", *"MFSX"]),
        ("function", ["M", "F"]),
        ("Function", ["M", "F"]),
        (None, ["M", "F"]),
        ("", ["M", "F"]),
        ("admin", ["M"]),
        ("ADMIN", ["M"]),
        ("unheard of", ["M"]),
    ],
)
def test_functions(level: str | None, opening: list[str]) -> None:
    """Each level has its key, the master key opens all, the system key is for webhooks only."""
    assert [key for key in ["", *"MFSX"] if KEYS.opens_function(level, key)] == opening


@pytest.mark.parametrize(
    ("extension", "opening"), [("webpubsub", "MS"), ("WebPubSub", "MS"), ("other", "M"), ("", "M")]
)
def test_webhooks(extension: str, opening: str) -> None:
    """The system key is for its own extension, the function key is for none."""
    assert "".join(key for key in "MFSX" if KEYS.opens_webhook(extension, key)) == opening
    assert not KEYS.opens_webhook(extension, "")


@pytest.mark.parametrize("shown", ["m", "MM", "M ", "É", "\udcff"])
def test_wrong_keys(shown: str) -> None:
    """A key is compared exactly; bytes that are no UTF-8 are only a wrong key."""
    assert not KEYS.opens_function("function", shown)
    assert not KEYS.opens_webhook("webpubsub", shown)


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ((), "", ""),
        ((), "code=a", "a"),
        ((), "x=1&CODE=a%2Db", "a-b"),
        ((), "code=a&Code=b", "a"),
        ((), "code=&code=b", ""),
        ((), "xcode=a&code2=b", ""),
        ([("X-Functions-Key", "h")], "", "h"),
        ([("x-functions-key", "h"), ("x-functions-key", "i")], "", "h"),
        ([("x-functions-key", "h")], "code=a", "h"),
        ([("x-functions-key", "")], "code=a", ""),
        ([("x-other", "h")], "code=a", "a"),
    ],
)
def test_where_the_key_is(headers: Headers, query: str, key: str) -> None:
    """The header wins over the query, the first value over others; names ignore case."""
    assert read_key(headers, query) == key
