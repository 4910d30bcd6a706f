"""The cookies that event handlers set for a connection, by the rules of the standard library."""

from collections.abc import Sequence
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import cast
from urllib.request import Request


class Cookies:
    """The cookies of one connection."""

    # A CookieJar is large and most event handlers set no cookie, so the first cookie creates it.
    __slots__ = ("_jar",)

    def __init__(self) -> None:
        self._jar: CookieJar | None = None

    def keep(self, url: str, set_cookies: Sequence[str]) -> None:
        """Store the cookies of an answer from this URL."""
        # Only ASCII is allowed (RFC 6265, section 4.1.1).
        values = [value for value in set_cookies if value.isascii()]
        if not values:
            return
        if self._jar is None:
            self._jar = CookieJar()
        self._jar.extract_cookies(cast("HTTPResponse", _Answer(values)), _request(url))

    def header(self, url: str) -> str | None:
        """Return the value of the Cookie header for this URL, or None without a matching cookie."""
        if self._jar is None:
            return None
        request = _request(url)
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie")


class _Answer:
    """The part of an HTTP response that a CookieJar reads."""

    def __init__(self, set_cookies: list[str]) -> None:
        self._set_cookies = set_cookies

    def info(self) -> "_Answer":
        return self

    def get_all(self, name: str, default: list[str]) -> list[str]:
        return self._set_cookies if name == "Set-Cookie" else default


def _request(url: str) -> Request:
    return Request(url)  # noqa: S310 (nothing is opened)
