"""Which event handler URLs accept events, and when to ask them again. No requests here."""

from dataclasses import dataclass

SUCCESS_SECONDS = 60.0
LONGEST_BACKOFF_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Result:
    allowed: bool
    due_at: float
    backoff: float


class Validations:
    """The results of abuse protection for each URL. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._results: dict[str, _Result] = {}

    def is_due(self, url: str, now: float) -> bool:
        """Return whether the URL must be asked, for the first time or again."""
        result = self._results.get(url)
        return result is None or now >= result.due_at

    def known(self, url: str, now: float) -> bool | None:
        """Return whether an event may be sent now; None if it must wait for the URL's answer.

        A success is valid until the next result, a failure until the URL is due again.
        """
        result = self._results.get(url)
        if result is not None and result.allowed:
            return True
        return None if self.is_due(url, now) else False

    def record(self, url: str, allowed: bool, now: float) -> None:
        """Store a result: due again after 60 s, or 1, 2, 4, ... 60 s for failures in a row."""
        if allowed:
            self._results[url] = _Result(True, now + SUCCESS_SECONDS, 0.0)
            return
        before = self._results.get(url)
        doubled = before.backoff * 2 if before else 0.0
        backoff = min(doubled or 1.0, LONGEST_BACKOFF_SECONDS)
        self._results[url] = _Result(False, now + backoff, backoff)
