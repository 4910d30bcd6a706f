"""The demo page's door: whether it is open, and what a browser lets the page do."""

import base64
import hashlib
import re

from usher.errors import NotFoundError
from usher.settings import Connection, Settings


def check_page(settings: Settings) -> None:
    """Raises NotFoundError where the page is not switched on."""
    if not settings.demo:
        raise NotFoundError("The demo page is off. The setting USHER_DEMO turns it on.")


def write_policy(html: str, connection: Connection) -> str:
    """The Content-Security-Policy (W3C, level 3) under which exactly this page works.

    Its own script and style run by their hashes; it may call this app and open a WebSocket to the
    service. Trusted Types, where browsers have them, refuse any text that would become HTML.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash_elements(html, 'script')}",
            f"style-src {_hash_elements(html, 'style')}",
            "img-src data:",
            f"connect-src 'self' {connection.endpoint.replace('http', 'ws', 1)}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _hash_elements(html: str, name: str) -> str:
    """What CSP takes as proof that an inline element is ours: the hash of all that is in it."""
    texts = re.findall(f"<{name}>(.*?)</{name}>", html, re.DOTALL)
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
