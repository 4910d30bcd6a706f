"""Rate limits. Each instance of the app counts for itself, in memory."""

import time
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, IPv6Network

from usher.errors import TooManyError
from usher.settings import Settings

MOST_NAMES = 10_000  # buckets at once; the bucket that was used longest ago is dropped first
SECOND = 10**9  # in nanoseconds, because sums of fractions are not exact
WINDOW = 60 * SECOND


class CallLimit:
    """A token bucket for each name. It holds the calls of one minute, and refills steadily."""

    def __init__(self, calls_per_minute: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._interval = WINDOW // calls_per_minute if calls_per_minute else 0
        self._clock = clock
        self._full_at: dict[str, int] = {}  # when each bucket is full again; oldest use first

    def check(self, name: str) -> None:
        """Take one call out of the name's bucket. Raises TooManyError if the bucket is empty."""
        if not self._interval:
            return
        now = self._clock()
        full_at = max(self._full_at.pop(name, now), now)
        wait = full_at + self._interval - now - WINDOW
        self._full_at[name] = full_at if wait > 0 else full_at + self._interval
        if len(self._full_at) > MOST_NAMES:
            del self._full_at[next(iter(self._full_at))]
        if wait > 0:
            raise TooManyError(wait / SECOND)


class Limits:
    """The limits of each caller and of each address, where the authentication mode has them."""

    def __init__(self, settings: Settings) -> None:
        mode = settings.mode
        self._of_caller = CallLimit(settings.caller_limit if mode.has_caller_limit else 0)
        self._of_address = CallLimit(settings.address_limit if mode.has_address_limit else 0)

    def check_address(self, headers: Mapping[str, str]) -> None:
        """Count a call of the address that the headers name. Raises TooManyError."""
        if address := client_address(headers):
            self._of_address.check(address)

    def check_caller(self, user_id: str) -> None:
        """Count a call of the user. Raises TooManyError."""
        self._of_caller.check(user_id)


def client_address(headers: Mapping[str, str]) -> str | None:
    """Return the address of the client, or the /64 network of an IPv6 address; None if unknown.

    App Service's front end appends the address that it saw to `X-Forwarded-For`; the client wrote
    what comes before it. The owner of one IPv6 address has 2**64 of them (RFC 6177, section 2).
    """
    text = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    if text.count(":") < 2:
        return text.partition(":")[0] or None  # IPv4, with or without a port
    try:
        address = IPv6Address(text.partition("]")[0].removeprefix("["))
    except ValueError:
        return text
    return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False))
