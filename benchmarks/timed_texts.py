"""Broadcast texts that carry their time of sending. All processes share one clock."""

import time

_MARK = "broadcast "
_MARK_BYTES = _MARK.encode()
_DIGITS = 20


def timed_text(size: int) -> str:
    """Return a text of `size` characters that starts with the current time."""
    return f"{_MARK}{time.monotonic_ns():0{_DIGITS}} ".ljust(size, "x")


def sent_at(payload: bytes) -> int | None:
    """Return when the text in a frame was made, in ns; None for other frames."""
    place = payload.find(_MARK_BYTES)
    if place < 0:
        return None
    start = place + len(_MARK_BYTES)
    return int(payload[start : start + _DIGITS])
