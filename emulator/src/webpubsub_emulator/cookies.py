"""The cookies that event handlers give a connection, by the rules of the standard library."""

from collections.abc import Sequence
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import cast
from urllib.request import Request


class Cookies:
    """What event handlers set for one connection; it grows with their answers."""

    # The jar is large and most event handlers set nothing, so it is made for the first cookie.
    __slots__ = ("_jar",)

    def __init__(self) -> None:
        self._jar: CookieJar | None = None

    def keep(self, url: str, set_cookies: Sequence[str]) -> None:
        """Take the Set-Cookie headers of an answer from this URL."""
        # Other characters than ASCII are not allowed (RFC 6265, section 4.1.1).
        values = [value for value in set_cookies if value.isascii()]
        if not values:
            return
        if self._jar is None:
            self._jar = CookieJar()
        self._jar.extract_cookies(cast("HTTPResponse", _Answer(values)), _request(url))

    def header(self, url: str) -> str | None:
        """The value of the Cookie header for this URL; None if no cookie is for it."""
        if self._jar is None:
            return None
        request = _request(url)
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie")


class _Answer:
    """As much of an HTTP answer as a CookieJar looks at."""

    def __init__(self, set_cookies: list[str]) -> None:
        self._set_cookies = set_cookies

    def info(self) -> "_Answer":
        return self

    def get_all(self, name: str, default: list[str]) -> list[str]:
        return self._set_cookies if name == "Set-Cookie" else default


def _request(url: str) -> Request:
    return Request(url)  # noqa: S310 (nothing is opened)
