from collections.abc import Mapping
from typing import Any

import pytest

from tests.usher.settings import make_settings
from usher.door.callers import Caller, Credentials, VerifyToken
from usher.door.gate import Gate
from usher.door.limits import Limits
from usher.door.modes import Mode
from usher.door.oidc import IdentityProviderError
from usher.errors import TooManyError, UnauthorizedError

HEADERS = {"x-forwarded-for": "203.0.113.7"}
ANA = Caller("ana", {"team": frozenset({"red"})})

type Call = tuple[object, ...]


async def verify(token: str) -> Mapping[str, Any]:
    return {}


def make_gate(calls: list[Call], errors: Mapping[str, Exception]) -> Gate:
    """Return a gate that records its calls of mode and limits. `errors` has those that fail."""

    def record(name: str, *arguments: object) -> None:
        calls.append((name, *arguments))
        if name in errors:
            raise errors[name]

    class RecordingMode(Mode):
        async def identify(self, credentials: Credentials, verify: VerifyToken) -> Caller:
            record("identify", credentials, verify)
            return ANA

    class RecordingLimits(Limits):
        def check_address(self, headers: Mapping[str, str]) -> None:
            record("check_address", headers)

        def check_failure(self, headers: Mapping[str, str]) -> None:
            record("check_failure", headers)

        def check_caller(self, user_id: str) -> None:
            record("check_caller", user_id)

    return Gate(RecordingMode(), RecordingLimits(make_settings()), verify)


CALLS: list[Call] = [
    ("identify", Credentials(HEADERS, "asked"), verify),
    ("check_caller", "ana"),
    ("check_address", HEADERS),
]


async def test_the_limits_of_caller_and_address_count_known_callers() -> None:
    """The caller limit counts the user that was identified, and not the user id asked for."""
    calls: list[Call] = []
    assert await make_gate(calls, {}).identify(HEADERS, "asked") is ANA
    assert calls == CALLS


@pytest.mark.parametrize(
    ("failing", "error", "calls_made"),
    [
        ("identify", IdentityProviderError("no answer"), 1),
        ("check_caller", TooManyError(1), 2),
        ("check_address", TooManyError(1), 3),
    ],
)
async def test_the_first_refusal_ends_the_check(
    failing: str, error: Exception, calls_made: int
) -> None:
    """A caller over its limit takes no call of its address; a failing provider counts for none."""
    calls: list[Call] = []
    with pytest.raises(type(error)) as caught:
        await make_gate(calls, {failing: error}).identify(HEADERS, "asked")
    assert caught.value is error
    assert calls == CALLS[:calls_made]


@pytest.mark.parametrize("errors", [{}, {"check_failure": TooManyError(1)}])
async def test_calls_without_a_known_caller_take_no_call_of_their_address(
    errors: dict[str, Exception],
) -> None:
    """They have a limit of their own, so junk locks no caller out behind the same address."""
    calls: list[Call] = []
    refused = {"identify": UnauthorizedError("no")}
    with pytest.raises(type(errors.get("check_failure", refused["identify"]))):
        await make_gate(calls, refused | errors).identify(HEADERS, "asked")
    assert calls == [CALLS[0], ("check_failure", HEADERS)]
