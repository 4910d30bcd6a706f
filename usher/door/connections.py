"""The open connections of each user, as far as this instance knows them."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from usher.errors import TooManyError

MOST_KNOWN = 20_000  # connections at once, about 8 MB; the oldest is forgotten first
KNOWN_FOR = 3600 * 10**9  # nanoseconds, because another instance may see the connection end
RETRY_SECONDS = 10


class OpenConnections:
    """Counts connections from the events of `connect`, `connected` and `disconnected`.

    `most` is the limit of each user. With 0 nothing is counted, nor is a connection without a user.
    """

    def __init__(self, most: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._most, self._clock = most, clock
        # The user of each connection, and when to forget it; oldest first.
        self._known: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._counts = Counter[str]()

    def check(self, user_id: str | None, connection_id: str | None = None) -> None:
        """Raise TooManyError if the user may not open this connection, or another one."""
        if user_id is None or not self._most:
            return
        self._forget_old()
        if connection_id not in self._known and self._counts[user_id] >= self._most:
            raise TooManyError(RETRY_SECONDS, "The user has too many open connections.")

    def add(self, user_id: str | None, connection_id: str) -> None:
        """Count a connection, once."""
        if user_id is None or not self._most:
            return
        self.remove(connection_id)
        self._known[connection_id] = user_id, self._clock() + KNOWN_FOR
        self._counts[user_id] += 1
        self._forget_old()

    def remove(self, connection_id: str) -> None:
        """Forget a connection, which may be unknown."""
        if known := self._known.pop(connection_id, None):
            user_id, _ = known
            self._counts[user_id] -= 1
            if not self._counts[user_id]:
                del self._counts[user_id]

    def _forget_old(self) -> None:
        while self._known:
            connection_id, (_, forget_at) = next(iter(self._known.items()))
            if forget_at > self._clock() and len(self._known) <= MOST_KNOWN:
                return
            self.remove(connection_id)
