"""Continuation tokens of group listings: opaque, and valid for one group of one hub."""

import base64
import hashlib
import hmac

TOKEN_LIMIT = 2048  # characters of a continuation token

_MARK_BYTES = 16


def encode_cursor(access_key: str, scope: str, last_id: str) -> str:
    """Return a token, in base64url, for the entries after `last_id` in `scope`."""
    mark = _mark(access_key, scope, last_id)
    return base64.urlsafe_b64encode(mark + last_id.encode()).decode().rstrip("=")


def decode_cursor(access_key: str, scope: str, token: str) -> str:
    """Return the connection id in a token. Raises ValueError if it was not made for `scope`."""
    if not 1 <= len(token) <= TOKEN_LIMIT:
        raise ValueError("length")
    content = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    last_id = content[_MARK_BYTES:].decode()
    if not hmac.compare_digest(content[:_MARK_BYTES], _mark(access_key, scope, last_id)):
        raise ValueError("mark")
    return last_id


def _mark(access_key: str, scope: str, last_id: str) -> bytes:
    text = f"continuation\n{scope}\n{last_id}"
    return hmac.new(access_key.encode(), text.encode(), hashlib.sha256).digest()[:_MARK_BYTES]
