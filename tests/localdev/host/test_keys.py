"""keys.py: the key of a request, and what it gives access to."""

from dataclasses import asdict

import pytest

from localdev.host.bindings import Headers
from localdev.host.keys import Keys, make_keys, read_key

KEYS = Keys("M", "F", "S")


def test_keys_are_random() -> None:
    """They differ, are long, and need no escapes in a query."""
    keys = [getattr(made, name) for made in (make_keys(), make_keys()) for name in asdict(KEYS)]
    assert len(set(keys)) == 6
    for key in keys:
        assert len(key) >= 40
        assert read_key((), f"code={key}") == key


def test_repr_shows_no_key() -> None:
    """Logs and tracebacks use the repr."""
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
    """Each level has its key, the master key is valid for all, the system key only for webhooks."""
    assert [key for key in ["", *"MFSX"] if KEYS.opens_function(level, key)] == opening


@pytest.mark.parametrize(
    ("extension", "opening"), [("webpubsub", "MS"), ("WebPubSub", "MS"), ("other", "M"), ("", "M")]
)
def test_webhooks(extension: str, opening: str) -> None:
    """The system key is valid for its own extension; a key that is valid elsewhere is 403."""
    denials = {key: KEYS.check_webhook(extension, key) for key in ["", *"MFSX"]}
    assert "".join(key for key, denial in denials.items() if denial is None) == opening
    assert {key for key, denial in denials.items() if denial == 401} == {"", "X"}
    assert {denials[key] for key in "FS"} <= {None, 403}


@pytest.mark.parametrize("shown", ["m", "MM", "M ", "É", "\udcff"])
def test_wrong_keys(shown: str) -> None:
    """A key is compared exactly; bytes that are not UTF-8 are a wrong key."""
    assert not KEYS.opens_function("function", shown)
    assert KEYS.check_webhook("webpubsub", shown) == 401
    assert not KEYS.opens_admin(shown)


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
    """The header wins over the query, the first value over others; names are case-insensitive."""
    assert read_key(headers, query) == key
