"""The one error family. Each error knows its HTTP status and a detail that callers may see."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar


class UsherError(Exception):
    """Never raised itself. Its text goes to the log, everything else to the caller.

    `members` are more of the problem's members.
    """

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"
    headers: Mapping[str, str] = MappingProxyType({})
    members: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class BadRequestError(UsherError):
    """The request is malformed; `field` names what is wrong with it."""

    status = 400
    kind = "bad-request"
    title = "The request is not valid"


class UnauthorizedError(UsherError):
    """Nobody knows who is calling: no credentials, or none that hold."""

    status = 401
    kind = "unauthorized"
    title = "Who is calling is not known"
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})  # RFC 9110, section 15.5.2


class ForbiddenError(UsherError):
    """The caller may not have what it asks for."""

    status = 403
    kind = "forbidden"
    title = "Not allowed"


class NotFoundError(UsherError):
    """There is nothing at this address."""

    status = 404
    kind = "not-found"
    title = "Nothing is here"


class MethodError(UsherError):
    """The method is not the one for this."""

    status = 405
    kind = "method-not-allowed"
    title = "The method is not allowed"
    headers = MappingProxyType({"Allow": "POST"})  # RFC 9110, section 15.5.6


class TooLargeError(UsherError):
    """The request is larger than it may be."""

    status = 413
    kind = "too-large"
    title = "The request is too large"


class TooLongError(UsherError):
    """The request's URL is longer than it may be."""

    status = 414
    kind = "too-long"
    title = "The URL is too long"


class TooManyError(UsherError):
    """The caller calls too often. `wait` is in seconds."""

    status = 429
    kind = "too-many"
    title = "Too many requests"

    def __init__(self, wait: float) -> None:
        super().__init__("Too many requests from here. Wait, and try again.")
        self.headers = {"Retry-After": str(math.ceil(wait))}


class BadEventError(UsherError):
    """An event that is malformed, or that was not meant for this app. Nothing is done for it."""

    status = 401
    kind = "bad-event"
    title = "The event was refused"


class NotReadyError(UsherError):
    """The app is not set up to answer this."""

    status = 503
    kind = "not-ready"
    title = "Usher is not set up"


class NoModeError(NotReadyError):
    """No authentication mode is set, so the app cannot identify callers."""

    kind = "mode-not-set"
    title = "No authentication mode is set"


class UnhealthyError(NotReadyError):
    """Web PubSub does not answer, or rejects the app. `status` is its answer, None without one."""

    kind = "service-unhealthy"
    title = "Web PubSub does not serve this app"

    def __init__(self, status: int | None) -> None:
        answer = "does not answer" if status is None else f"answers this app with {status}"
        super().__init__(f"Web PubSub {answer}.")
        self.members = {"serviceStatus": status}


class SettingsError(NotReadyError):
    """Every wrong setting at once. Callers learn that something is wrong, the log says what."""

    kind = "settings-invalid"
    title = "The settings of the app are not valid"

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("The settings of this app are not valid. Its log names each wrong one.")
        self.problems = dict(problems)

    def __str__(self) -> str:
        return "; ".join(f"{key} {problem}" for key, problem in self.problems.items())


class ServiceError(UsherError):
    """Web PubSub did not do what was asked; `reason` is for the log.

    `answered` is the status it gave, None where there was no answer, and `code` its error code;
    `retry_after` the seconds it asked to wait; `reached` is False only where the request surely
    never got to it. `may_have_acted` is False where it surely did nothing.
    """

    status = 502
    kind = "service-failed"
    title = "Web PubSub did not do what was asked"
    told: ClassVar[str] = "Web PubSub did not answer, or not as expected."

    def __init__(
        self,
        reason: str,
        *,
        answered: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        reached: bool = True,
    ) -> None:
        super().__init__(self.told)
        self.reason = reason
        self.answered = answered
        self.code = code
        self.retry_after = retry_after
        self.reached = reached
        is_refusal = answered is not None and 300 <= answered < 500 and answered != 408
        self.may_have_acted = reached and not is_refusal

    def __str__(self) -> str:
        return f"Web PubSub: {self.reason}."


class ThrottledError(ServiceError):
    """Web PubSub is asked too often."""

    status = 429
    kind = "service-throttled"
    title = "Web PubSub is asked too often"
    told = "Web PubSub is busy. Wait, and try again."

    def __init__(self, reason: str, **answer: Any) -> None:
        super().__init__(reason, **answer)
        if self.retry_after is not None:
            self.headers = {"Retry-After": str(math.ceil(self.retry_after))}


class UnansweredError(ServiceError):
    """Web PubSub gave no answer in time, or was not reached at all."""

    status = 504
    kind = "service-unanswered"
    title = "Web PubSub did not answer"
    told = "Web PubSub did not answer in time."


class UnknownConnectionError(ServiceError):
    """Web PubSub knows no such connection, or none of that user. It did nothing."""

    status = 404
    kind = "connection-unknown"
    title = "There is no such connection"
    told = "Web PubSub knows no such connection, or none of that user."

    def __init__(self, reason: str, **answer: Any) -> None:
        super().__init__(reason, **answer)
        self.field = "connectionId"
        self.may_have_acted = False
