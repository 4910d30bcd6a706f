"""Which event handler URLs agreed to get events, and until when that is known. No requests here."""

from dataclasses import dataclass

SUCCESS_SECONDS = 60.0
LONGEST_BACKOFF_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Result:
    allowed: bool
    valid_until: float
    backoff: float


class Validations:
    """Results of abuse protection per URL. Times are seconds of any one rising clock."""

    def __init__(self) -> None:
        self._results: dict[str, _Result] = {}

    def known(self, url: str, now: float) -> bool | None:
        """Whether the URL is allowed, or None if it must be asked (again)."""
        result = self._results.get(url)
        return None if result is None or now >= result.valid_until else result.allowed

    def record(self, url: str, allowed: bool, now: float) -> None:
        """Keep a success for 60 s, and failures in a row for 1, 2, 4, ... up to 60 s."""
        if allowed:
            self._results[url] = _Result(True, now + SUCCESS_SECONDS, 0.0)
            return
        before = self._results.get(url)
        doubled = before.backoff * 2 if before else 0.0
        backoff = min(doubled or 1.0, LONGEST_BACKOFF_SECONDS)
        self._results[url] = _Result(False, now + backoff, backoff)
