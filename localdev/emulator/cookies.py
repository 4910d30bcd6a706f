"""The cookies that an event handler gives a connection, by the rules of the standard library."""

from collections.abc import Sequence
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import cast
from urllib.request import Request


class _Answer:
    """As much of an HTTP answer as a CookieJar looks at."""

    def __init__(self, set_cookies: Sequence[str]) -> None:
        self._set_cookies = list(set_cookies)

    def info(self) -> "_Answer":
        return self

    def get_all(self, name: str, default: list[str]) -> list[str]:
        return self._set_cookies if name == "Set-Cookie" else default


def keep_cookies(jar: CookieJar, url: str, set_cookies: Sequence[str]) -> None:
    """Take the Set-Cookie headers of an answer from this URL into the jar."""
    # Other characters than ASCII are not allowed (RFC 6265, section 4.1.1).
    answer = _Answer([value for value in set_cookies if value.isascii()])
    jar.extract_cookies(cast("HTTPResponse", answer), _request(url))


def cookie_header(jar: CookieJar, url: str) -> str | None:
    """The value of the Cookie header for this URL; None if no cookie is for it."""
    request = _request(url)
    jar.add_cookie_header(request)
    return request.get_header("Cookie")


def _request(url: str) -> Request:
    return Request(url)  # noqa: S310 (nothing is opened)
