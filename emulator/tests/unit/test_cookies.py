"""Tests of cookies.py."""

import pytest

from webpubsub_emulator.cookies import Cookies

URL = "http://127.0.0.1:7071/hooks/chat/connect?code=c0de"


@pytest.mark.parametrize(
    ("set_cookies", "url", "header"),
    [
        ([], URL, None),
        (["a=1"], URL, "a=1"),
        (["a=1", "b=x y; HttpOnly"], URL, "a=1; b=x y"),
        (["a=1", "a=2"], URL, "a=2"),
        (["a=1; Path=/"], "http://127.0.0.1:7071/other", "a=1"),
        (["a=1"], "http://127.0.0.1:7071/hooks/chat/e", "a=1"),
        (["a=1"], "http://127.0.0.1:7071/other", None),
        (["a=1"], "http://127.0.0.2:7071/hooks/chat/e", None),
        (["a=1; Secure"], URL, None),
        (["a=1", "a=; Max-Age=0"], URL, None),
        (["a=é", "b=2"], URL, "b=2"),
    ],
)
def test_cookies(set_cookies: list[str], url: str, header: str | None) -> None:
    """A cookie is sent to the host that set it, until it is replaced or deleted."""
    jar = Cookies()
    for value in set_cookies:
        jar.keep(URL, [value])
    assert jar.header(url) == header


@pytest.mark.parametrize("host", ["localhost:7071", "[::1]:7071", "app.example"])
def test_hosts(host: str) -> None:
    """Cookies work for every kind of host that an event handler may have."""
    jar = Cookies()
    jar.keep(f"http://{host}/a", ["a=1"])
    assert jar.header(f"http://{host}/b") == "a=1"


def test_several_headers_of_one_answer() -> None:
    """Each Set-Cookie header counts, and an unreadable one is ignored."""
    jar = Cookies()
    jar.keep(URL, ["a=1; Path=/; Expires=nonsense", ";;;", "b=2"])
    header = jar.header(URL)
    assert header is not None
    assert sorted(header.split("; ")) == ["a=1", "b=2"]
