"""The broadcast texts, which carry the time of their sending. One clock serves all processes."""

import time

_MARK = "broadcast "
_MARK_BYTES = _MARK.encode()
_DIGITS = 20


def text_of(size: int) -> str:
    """A text of so many characters that tells when it was made."""
    return f"{_MARK}{time.monotonic_ns():0{_DIGITS}} ".ljust(size, "x")


def sent_at(payload: bytes) -> int | None:
    """When the text in a frame was made, in ns of the monotonic clock; None for other frames."""
    place = payload.find(_MARK_BYTES)
    if place < 0:
        return None
    start = place + len(_MARK_BYTES)
    return int(payload[start : start + _DIGITS])
