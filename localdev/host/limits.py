"""The requests that Kestrel rejects before anything of the app sees them.

Source: Kestrel's KestrelServerLimits.cs; recordings of the host.
"""

from collections.abc import Sequence

REQUEST_LINE_LIMIT = 8 * 1024  # bytes, with the line break
HEADER_COUNT_LIMIT = 100
HEADERS_LIMIT = 32 * 1024  # bytes of all header lines
BODY_LIMIT = 100 * 1024 * 1024  # bytes; the host's own limit (ScriptConstants.cs)


def find_rejection(method: str, target: str, headers: Sequence[tuple[bytes, bytes]]) -> int | None:
    """Return the status of a rejection, or None for a request within the limits."""
    if len(f"{method} {target} HTTP/1.1\r\n") > REQUEST_LINE_LIMIT:
        return 414
    size = sum(len(name) + len(value) for name, value in headers) + len(": \r\n") * len(headers)
    if len(headers) > HEADER_COUNT_LIMIT or size > HEADERS_LIMIT:
        return 431
    if not all(value.isascii() or _is_utf8(value) for _name, value in headers):
        return 400
    # Also an empty host and two of them.
    hosts = [value for name, value in headers if name.lower() == b"host"]
    return None if len(hosts) == 1 and hosts[0] else 400


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
