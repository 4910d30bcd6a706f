"""HTTP calls as the service and a browser make them. No redirect is followed, no cookie kept."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

ANSWER_SECONDS = 45.0  # an app that starts is waited for by its own host for 30 s


class UnreachableError(Exception):
    """No answer. The text says why and shows no URL, because some have a token in them."""


@dataclass(frozen=True)
class Answer:
    """An answer, read to its end. `ahead` are the seconds that its clock is ahead of this one."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    text: str = field(repr=False)
    ahead: float | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object; an empty one where there is none."""
        try:
            value = json.loads(self.text)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def problem(self) -> str | None:
        """The detail of the app's own problem (RFC 9457); None where the app did not answer."""
        is_ours = str(self.body.get("type", "")).startswith("urn:problem-type:usher:")
        return str(self.body.get("detail")) if is_ours else None

    @property
    def is_login(self) -> bool:
        """Whether App Service Authentication has refused: it names its realm, nobody else does."""
        return self.status == 401 and "realm=" in self.headers.get("WWW-Authenticate", "")


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """For the whole examination."""
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    ) as session:
        yield session


async def call(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """The answer, whatever its status. Raises UnreachableError."""
    sent = datetime.now(UTC)
    try:
        async with session.request(
            method, url, headers=headers, data=body, allow_redirects=False
        ) as response:
            text = await response.text(errors="replace")
            headers = response.headers
            return Answer(response.status, headers, text, _read_ahead(headers.get("Date"), sent))
    except TimeoutError:
        raise UnreachableError(f"no answer within {ANSWER_SECONDS:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise UnreachableError(describe_failure(error)) from None


def describe_failure(error: Exception) -> str:
    """The system's own words where there are some: those of aiohttp have the URL in them."""
    cause = getattr(error, "os_error", error)
    number = getattr(cause, "errno", None) or 0
    if number > 0:
        return os.strerror(number)
    return str(getattr(cause, "strerror", None) or type(error).__name__)  # such as of DNS


def _read_ahead(date: str | None, sent: datetime) -> float | None:
    """A date has whole seconds, so it is half a second later than it says, give or take that."""
    now = sent + (datetime.now(UTC) - sent) / 2
    try:
        return (parsedate_to_datetime(date or "") - now).total_seconds() + 0.5
    except (ValueError, TypeError):  # no date, or one without a time zone
        return None
