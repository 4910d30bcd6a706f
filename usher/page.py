"""The demo page: whether it is served, and its Content-Security-Policy."""

import base64
import hashlib
import re

from usher.errors import NotFoundError
from usher.settings import Connection, Settings


def check_page(settings: Settings) -> None:
    """Raise NotFoundError unless the page is switched on."""
    if not settings.demo:
        raise NotFoundError("The demo page is off. Set USHER_DEMO to true to switch it on.")


def content_security_policy(html: str, connection: Connection) -> str:
    """Return the Content-Security-Policy (W3C, level 3) that allows exactly this page.

    It allows the page's script and style by their hashes, the module that the script imports from
    this app, calls of this app and a WebSocket to the service. Trusted Types, in browsers that have
    them, refuse text that would become HTML.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {_hash_elements(html, 'script')}",
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
    """Return the hash of the content of each such element, by which CSP allows it."""
    texts = re.findall(f"<{name}[^>]*>(.*?)</{name}>", html, re.DOTALL)
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
