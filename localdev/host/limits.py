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
    size = len(": \r\n") * len(headers)
    hosts, are_text = [], True
    for name, value in headers:
        size += len(name) + len(value)
        are_text = are_text and (value.isascii() or _is_utf8(value))
        if len(name) == len(b"host") and name.lower() == b"host":
            hosts.append(value)
    if len(headers) > HEADER_COUNT_LIMIT or size > HEADERS_LIMIT:
        return 431
    # A missing host, an empty one and two of them are rejected, too.
    return None if are_text and len(hosts) == 1 and hosts[0] else 400


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
