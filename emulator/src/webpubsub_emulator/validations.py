"""Which event handler URLs agreed to get events, and when to ask them again. No requests here."""

from dataclasses import dataclass

SUCCESS_SECONDS = 60.0
LONGEST_BACKOFF_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Result:
    allowed: bool
    due_at: float
    backoff: float


class Validations:
    """Results of abuse protection per URL. Times are seconds of any one rising clock."""

    def __init__(self) -> None:
        self._results: dict[str, _Result] = {}

    def is_due(self, url: str, now: float) -> bool:
        """Whether the URL must be asked, for the first time or again."""
        result = self._results.get(url)
        return result is None or now >= result.due_at

    def known(self, url: str, now: float) -> bool | None:
        """What holds for an event right now; None if it has to wait for the URL's answer.

        A success holds until the next result, however long that takes; a failure until it is
        due.
        """
        result = self._results.get(url)
        if result is not None and result.allowed:
            return True
        return None if self.is_due(url, now) else False

    def record(self, url: str, allowed: bool, now: float) -> None:
        """Keep a success for 60 s, and failures in a row for 1, 2, 4, ... up to 60 s."""
        if allowed:
            self._results[url] = _Result(True, now + SUCCESS_SECONDS, 0.0)
            return
        before = self._results.get(url)
        doubled = before.backoff * 2 if before else 0.0
        backoff = min(doubled or 1.0, LONGEST_BACKOFF_SECONDS)
        self._results[url] = _Result(False, now + backoff, backoff)
