"""The errors of the app. Each has an HTTP status, a problem type and a detail for the caller."""

import logging
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

NO_MEMBERS: Mapping[str, Any] = MappingProxyType({})


class UsherError(Exception):
    """The base of all errors of the app; not raised itself.

    `kind` is the last part of the problem type. `detail` and `field`, the name of the invalid
    field, are for the caller. `log_text`, which is `str()` of the error, is for the log, and the
    same as `detail` by default. `members` are extension members of the problem. Failures, with a
    status from 500, are logged; so is every error with a `log_level`.
    """

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    log_level: ClassVar[int | None] = None
    headers: Mapping[str, str] = MappingProxyType({})
    members: Mapping[str, Any] = NO_MEMBERS

    def __init_subclass__(cls, *, status: int = 0, kind: str = "", title: str = "") -> None:
        cls.status = status or cls.status
        cls.kind, cls.title = kind or cls.kind, title or cls.title

    def __init__(self, detail: str, *, field: str | None = None, log_text: str = "") -> None:
        super().__init__(log_text or detail)
        self.detail = detail
        self.field = field


class BadRequestError(UsherError, status=400, kind="bad-request", title="The request is not valid"):
    """The request is malformed."""


class UnauthorizedError(
    UsherError, status=401, kind="unauthorized", title="The caller is not authenticated"
):
    """The request has no valid credentials."""

    log_level = logging.WARNING  # no fault of the app
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})  # RFC 9110, section 15.5.2


class ForbiddenError(UsherError, status=403, kind="forbidden", title="Not allowed"):
    """The caller is known and not allowed to have what it asks for."""

    log_level = logging.WARNING  # no fault of the app


class RemovedError(UsherError, status=403, kind="removed", title="Removed"):
    """The user was removed, from the hub if `group` is None. `until` is in ISO 8601."""

    log_level = logging.WARNING  # no fault of the app

    def __init__(self, group: str | None, until: str, reason: str) -> None:
        place = "this hub" if group is None else "this group"
        why = f" Reason: {reason}" if reason else ""
        super().__init__(
            f"The user was removed from {place} until {until}.{why}",
            field="userId" if group is None else "group",
            log_text="the user was removed",
        )
        self.members = {"group": group, "until": until, "reason": reason}


class NotFoundError(UsherError, status=404, kind="not-found", title="Not found"):
    """There is nothing at this URL."""


class MethodError(
    UsherError, status=405, kind="method-not-allowed", title="The method is not allowed"
):
    """The URL does not support this HTTP method."""

    headers = MappingProxyType({"Allow": "POST"})  # RFC 9110, section 15.5.6


class BansOffError(UsherError, status=409, kind="bans-off", title="Bans are off"):
    """The app has no store for bans, so it can close connections and nothing more."""

    def __init__(self) -> None:
        super().__init__(
            "The app keeps no bans. Set USHER_BANS to table or sqlite:PATH. Without it, only a "
            "removal with 0 minutes is possible."
        )


class TooManyBansError(UsherError, status=409, kind="too-many-bans", title="Too many removals"):
    """There is no room for another removal of this user."""

    def __init__(self) -> None:
        super().__init__(
            "The user is removed from too many groups. Remove the user from the whole hub.",
            field="group",
        )


class LengthRequiredError(
    UsherError, status=411, kind="length-required", title="The length of the body is required"
):
    """The body was sent in chunks, and the Functions host did not pass it on."""


class TooLargeError(UsherError, status=413, kind="too-large", title="The request is too large"):
    """The request, or the token that it asks for, is too large."""


class TooLongError(UsherError, status=414, kind="too-long", title="The URL is too long"):
    """The URL of the request is too long."""


class TooManyError(UsherError, status=429, kind="too-many", title="Too many requests"):
    """The caller exceeded a limit. `wait` is in seconds."""

    def __init__(
        self, wait: float, detail: str = "The rate limit is exceeded. Wait, and try again."
    ) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(math.ceil(wait))}


class BadEventError(UsherError, status=401, kind="bad-event", title="The event was refused"):
    """The event is malformed, or is not meant for this app. It has no effect."""

    log_level = logging.ERROR  # the service should not have sent it


class ForeignOriginError(BadEventError):
    """A page of an origin that is not allowed opens a connection. Any page can try."""

    log_level = logging.WARNING


class NoModeError(
    UsherError, status=503, kind="mode-not-set", title="No authentication mode is set"
):
    """No authentication mode is set, so the app cannot identify callers."""


class UnhealthyError(
    UsherError, status=503, kind="service-unhealthy", title="Web PubSub does not serve this app"
):
    """Web PubSub does not answer (`answered` is None), or rejects the app with this status.

    `age` says how long ago that was seen, in seconds.
    """

    def __init__(self, answered: int | None, age: int) -> None:
        answer = "does not answer" if answered is None else f"answers this app with {answered}"
        super().__init__(f"Web PubSub {answer}.")
        self.members = {"serviceStatus": answered}
        self.headers = {"Age": str(age)}  # RFC 9111, section 5.1


class SettingsError(
    UsherError, status=503, kind="settings-invalid", title="The settings are not valid"
):
    """Some settings are wrong. `problems` has every wrong key, for the log only."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        log_text = "; ".join(f"{key} {problem}" for key, problem in problems.items())
        detail = "The app's settings are not valid. Its log names every wrong setting."
        super().__init__(detail, log_text=log_text)
        self.problems = dict(problems)


class StoreError(UsherError, status=503, kind="store-failed", title="The store failed"):
    """The store of the bans failed or did not answer in time; `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The app cannot read or write its bans now. Wait, and try again.",
            log_text=f"Store: {reason}.",
        )


class ServiceError(UsherError, status=502, kind="service-failed", title="Web PubSub failed"):
    """A call of Web PubSub failed; `reason` is for the log.

    `answered` is the HTTP status and `code` the error code of the answer, None without an answer.
    `retry_after` is the wait in seconds that the answer asked for. `reached` is False if the
    request certainly did not arrive; `may_have_acted` is False if it certainly had no effect.
    """

    public_detail: ClassVar[str] = "Web PubSub did not answer as expected."

    def __init__(
        self,
        reason: str,
        *,
        answered: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        reached: bool = True,
        may_have_acted: bool | None = None,
        members: Mapping[str, Any] = NO_MEMBERS,
    ) -> None:
        super().__init__(self.public_detail, log_text=f"Web PubSub: {reason}.")
        self.reason, self.answered, self.code = reason, answered, code
        self.retry_after, self.reached, self.members = retry_after, reached, members
        is_refusal = answered is not None and 300 <= answered < 500 and answered != 408
        may_act = reached and not is_refusal
        self.may_have_acted = may_act if may_have_acted is None else may_have_acted

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed later."""
        return self.answered is None or self.answered in (408, 429) or self.answered >= 500

    def copy(self, **changes: Any) -> Self:
        """Return this error with other values of `may_have_acted` or `members`."""
        names = ("answered", "code", "retry_after", "reached", "may_have_acted", "members")
        return type(self)(self.reason, **{name: getattr(self, name) for name in names} | changes)


class ThrottledError(
    ServiceError, status=429, kind="service-throttled", title="Web PubSub is busy"
):
    """Web PubSub throttles the app."""

    log_level = logging.ERROR
    public_detail = "Web PubSub is busy. Wait, and try again."

    def __init__(self, reason: str, **answer: Any) -> None:
        super().__init__(reason, **answer)
        if self.retry_after is not None:
            self.headers = {"Retry-After": str(math.ceil(self.retry_after))}


class UnansweredError(
    ServiceError, status=504, kind="service-unanswered", title="Web PubSub did not answer"
):
    """Web PubSub did not answer in time, or could not be reached."""

    public_detail = "Web PubSub did not answer in time."


class UnknownConnectionError(
    ServiceError, status=404, kind="connection-unknown", title="The connection is unknown"
):
    """Web PubSub has no such connection, or it belongs to another user. The call had no effect."""

    public_detail = "Web PubSub has no such connection, or it belongs to another user."

    def __init__(self, reason: str, **answer: Any) -> None:
        super().__init__(reason, **({"may_have_acted": False} | answer))
        self.field = "connectionId"
