"""How often one name may call. Each instance of the app counts for itself, and keeps no record."""

import time
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, IPv6Network

from usher.errors import TooManyError
from usher.settings import Settings

MOST_NAMES = 10_000  # remembered at once; the one that has been silent longest is forgotten first
WINDOW = 60.0  # seconds


class CallLimit:
    """A token bucket for each name: a minute's calls at once, and then as they flow back in."""

    def __init__(self, calls_a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = WINDOW / calls_a_minute if calls_a_minute else 0.0
        self._clock = clock
        self._full_at: dict[str, float] = {}  # when each bucket is full again; silent ones first

    def check(self, name: str) -> None:
        """Takes one call out of the name's bucket. Raises TooManyError where it is empty."""
        if not self._interval:
            return
        now = self._clock()
        full_at = max(self._full_at.pop(name, now), now)
        wait = full_at + self._interval - now - WINDOW
        self._full_at[name] = full_at if wait > 0 else full_at + self._interval
        if len(self._full_at) > MOST_NAMES:
            del self._full_at[next(iter(self._full_at))]
        if wait > 0:
            raise TooManyError(wait)


class Limits:
    """How often each caller and each address may call, by the settings."""

    def __init__(self, settings: Settings) -> None:
        # In development nothing is at stake; a backend calls for everybody from one address.
        is_open, is_backend = settings.auth == "local", settings.auth == "key"
        self._of_caller = CallLimit(0 if is_open else settings.caller_limit)
        self._of_address = CallLimit(0 if is_open or is_backend else settings.address_limit)

    def check_address(self, headers: Mapping[str, str]) -> None:
        """Raises TooManyError. For before anything else is done for the request."""
        if address := client_address(headers):
            self._of_address.check(address)

    def check_caller(self, user_id: str) -> None:
        """Raises TooManyError."""
        self._of_caller.check(user_id)


def client_address(headers: Mapping[str, str]) -> str | None:
    """The address that called, or the network of an IPv6 one; None where no front end tells.

    App Service's front end appends what it saw to `X-Forwarded-For`; what stands before that, the
    caller wrote. Whoever has one IPv6 address has 2**64 of them (RFC 6177, section 2).
    """
    text = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    if text.count(":") < 2:
        return text.partition(":")[0] or None  # IPv4, perhaps with a port
    try:
        address = IPv6Address(text.partition("]")[0].removeprefix("["))
    except ValueError:
        return text
    return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False))
