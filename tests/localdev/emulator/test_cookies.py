"""Tests of localdev/emulator/cookies.py."""

from http.cookiejar import CookieJar

import pytest

from localdev.emulator.cookies import cookie_header, keep_cookies

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
    """A cookie goes back to where it came from, until it is replaced or taken away."""
    jar = CookieJar()
    for value in set_cookies:
        keep_cookies(jar, URL, [value])
    assert cookie_header(jar, url) == header


@pytest.mark.parametrize("host", ["localhost:7071", "[::1]:7071", "app.example"])
def test_hosts(host: str) -> None:
    """Cookies work for every kind of host that an event handler may have."""
    jar = CookieJar()
    keep_cookies(jar, f"http://{host}/a", ["a=1"])
    assert cookie_header(jar, f"http://{host}/b") == "a=1"


def test_several_headers_of_one_answer() -> None:
    """Each Set-Cookie header counts; an unreadable one does no harm."""
    jar = CookieJar()
    keep_cookies(jar, URL, ["a=1; Path=/; Expires=nonsense", ";;;", "b=2"])
    header = cookie_header(jar, URL)
    assert header is not None
    assert sorted(header.split("; ")) == ["a=1", "b=2"]
