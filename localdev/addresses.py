"""Where commands may send keys and tokens."""

from urllib.parse import urlsplit

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


def is_protected(url: str) -> bool:
    """Return whether only the named host can read a request: TLS, or a host on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme in ("https", "wss"):
        return bool(parts.hostname)
    return parts.scheme in ("http", "ws") and parts.hostname in LOCAL_HOSTS
