"""HTTP calls as Web PubSub and a browser make them: no redirect followed, no cookie kept."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import aiohttp

ANSWER_SECONDS = 45.0  # the Functions host waits up to 30 s for an app that starts
PROBLEM_TYPE = "urn:problem-type:usher:"


class Kind(StrEnum):
    """The problem types of the app that decide a finding (source: api/openapi.yaml)."""

    SETTINGS_INVALID = "settings-invalid"
    SERVICE_UNHEALTHY = "service-unhealthy"
    MODE_NOT_SET = "mode-not-set"
    IDENTITY_PROVIDER_FAILED = "identity-provider-failed"
    FORBIDDEN = "forbidden"
    SERVICE_FAILED = "service-failed"
    SERVICE_UNANSWERED = "service-unanswered"
    SERVICE_THROTTLED = "service-throttled"


class UnreachableError(Exception):
    """There was no answer. The text says why, without the URL, which may contain a token."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response. `ahead` is by how many seconds the sender's clock is ahead of ours."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    text: str = field(repr=False)
    ahead: float | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object of the body; empty if the body is something else."""
        try:
            value = json.loads(self.text)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def kind(self) -> str | None:
        """The end of the app's problem type (RFC 9457); None if this is no problem of the app."""
        problem_type = str(self.body.get("type", ""))
        is_ours = problem_type.startswith(PROBLEM_TYPE)
        return problem_type.removeprefix(PROBLEM_TYPE) if is_ours else None

    @property
    def description(self) -> str:
        """The status, and the kind and detail of the app's problem. For people: never parse it."""
        if self.kind is None:
            return str(self.status)
        return f"{self.status} {self.kind} ({self.body.get('detail')})"

    @property
    def is_platform_login(self) -> bool:
        """Whether App Service Authentication rejected the request: only it names a realm."""
        return self.status == 401 and "realm=" in self.headers.get("WWW-Authenticate", "")


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open the session of a whole examination. It follows no redirect, by HTTP or by WebSocket."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
        trace_configs=[trace],
    ) as session:
        yield session


async def _refuse_redirect(*_: object) -> None:
    # ws_connect has no option against redirects, and the URL of a client contains its token.
    raise UnreachableError("the answer is a redirect")


async def call(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """Return the answer, whatever its status. Raises UnreachableError."""
    sent = datetime.now(UTC)
    try:
        async with session.request(
            method, url, headers=headers, data=body, allow_redirects=False
        ) as response:
            text = await response.text(errors="replace")
            headers = response.headers
            return Answer(response.status, headers, text, _clock_offset(headers.get("Date"), sent))
    except TimeoutError:
        raise UnreachableError(f"no answer within {ANSWER_SECONDS:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise UnreachableError(describe_failure(error)) from None


def describe_failure(error: Exception) -> str:
    """Return the operating system's message, because aiohttp's message contains the URL."""
    cause = getattr(error, "os_error", error)
    number = getattr(cause, "errno", None) or 0
    if number > 0:
        return os.strerror(number)
    # A DNS error has a negative number, and its message in `strerror`.
    return str(getattr(cause, "strerror", None) or type(error).__name__)


def _clock_offset(date: str | None, sent: datetime) -> float | None:
    now = sent + (datetime.now(UTC) - sent) / 2
    try:
        # A Date header has whole seconds: on average the sender's clock is half a second later.
        return (parsedate_to_datetime(date or "") - now).total_seconds() + 0.5
    except (ValueError, TypeError):  # no date, or one without a time zone
        return None
