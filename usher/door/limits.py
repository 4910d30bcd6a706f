"""Rate limits. Each instance of the app counts for itself, in memory."""

import time
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address

from usher.door.connections import OpenConnections
from usher.errors import BadRequestError, TooManyError
from usher.settings import Settings

MOST_NAMES = 10_000  # buckets at once; the bucket that was used longest ago is dropped first
SECOND = 10**9  # in nanoseconds, because sums of fractions are not exact
WINDOW = 60 * SECOND
SITE_FACTOR = 4  # a /48 network has this many times the calls of one address
UNKNOWN = "unknown"  # the bucket of all addresses that are unknown


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


class AddressLimit:
    """A limit of each address, and a larger one of each /48 network.

    With `must_know`, a call whose address is unknown is refused; otherwise all such calls share a
    bucket. Azure always sends the address (github.com/Azure/Azure-Functions, issue 1597).
    """

    def __init__(self, calls_per_minute: int, *, must_know: bool) -> None:
        self._limits = CallLimit(calls_per_minute), CallLimit(SITE_FACTOR * calls_per_minute)
        self._has_limit, self._must_know = calls_per_minute > 0, must_know

    def check(self, headers: Mapping[str, str]) -> None:
        """Count a call of the address in the headers. Raises BadRequestError, TooManyError."""
        if not self._has_limit:
            return
        networks = client_networks(headers)
        if self._must_know and not networks:
            raise BadRequestError("X-Forwarded-For has no address; in Azure the platform adds it.")
        for limit, network in zip(self._limits, networks or [UNKNOWN], strict=False):
            limit.check(network)


class Limits:
    """The limits of callers, addresses and connecting users, where the mode has them.

    Failures, and pages that need no caller, have buckets of their own, so that floods of them take
    no calls away from the callers behind the same address.
    """

    def __init__(self, settings: Settings) -> None:
        mode = settings.mode
        address_limit = settings.address_limit if mode.has_address_limit else 0
        open_page_limit = settings.address_limit if mode.has_caller_limit else 0
        self._of_address, self._of_failure, self._of_open_page = (
            AddressLimit(calls, must_know=settings.is_in_azure)
            for calls in (address_limit, address_limit, open_page_limit)
        )
        self._of_caller = CallLimit(settings.caller_limit if mode.has_caller_limit else 0)
        self._of_connect = CallLimit(settings.connect_limit if mode.has_caller_limit else 0)
        most = settings.most_connections if mode.has_caller_limit else 0
        self.connections = OpenConnections(most)

    def check_address(self, headers: Mapping[str, str]) -> None:
        """Count a call of a known caller. Raises BadRequestError, TooManyError."""
        self._of_address.check(headers)

    def check_failure(self, headers: Mapping[str, str]) -> None:
        """Count a call without a known caller. Raises BadRequestError, TooManyError."""
        self._of_failure.check(headers)

    def check_open_page(self, headers: Mapping[str, str]) -> None:
        """Count a call that needs no caller. Raises BadRequestError, TooManyError."""
        self._of_open_page.check(headers)

    def check_caller(self, user_id: str) -> None:
        """Count a call of the user. Raises TooManyError."""
        self._of_caller.check(user_id)

    def check_connect(self, user_id: str | None, connection_id: str) -> None:
        """Count a connecting client of the user. Raises TooManyError."""
        if user_id is not None:
            self._of_connect.check(user_id)
        self.connections.check(user_id, connection_id)


def client_networks(headers: Mapping[str, str]) -> list[str]:
    """Return the client's address, or the /64 and /48 network of an IPv6 address; [] if unknown.

    App Service's front end appends the address that it saw to `X-Forwarded-For`; the client wrote
    what comes before it. The owner of one IPv6 address has 2**64 of them, and often a /48 (RFC
    6177, section 2).
    """
    text = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    if text.count(":") < 2:
        return list(filter(None, [text.partition(":")[0]]))  # IPv4, with or without a port
    try:
        address = IPv6Address(text.partition("]")[0].removeprefix("["))
    except ValueError:
        return [text]
    if address.ipv4_mapped:
        return [str(address.ipv4_mapped)]
    # In integers, because IPv6Network takes five times as long.
    return [f"{IPv6Address(int(address) >> host << host)}/{128 - host}" for host in (64, 80)]
