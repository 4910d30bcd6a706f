from typing import Any

import pytest

from tests.usher.settings import make_settings
from usher.door.limits import MOST_NAMES, CallLimit, Limits, client_address
from usher.errors import TooManyError


class Clock:
    """A clock that only the test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> int:
        return round(self.now * 10**9)  # nanoseconds, like time.monotonic_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


def count_allowed(limit: CallLimit, name: str, calls: int) -> int:
    allowed = 0
    for _ in range(calls):
        try:
            limit.check(name)
        except TooManyError:
            continue
        allowed += 1
    return allowed


def test_a_full_bucket_and_its_refill(clock: Clock) -> None:
    """60 per minute: 60 calls at once, and then one more each second."""
    limit = CallLimit(60, clock)
    assert count_allowed(limit, "ana", 10_000) == 60
    clock.now += 2.5
    assert count_allowed(limit, "ana", 10) == 2
    clock.now += 600
    assert count_allowed(limit, "ana", 100) == 60


@pytest.mark.parametrize("calls", [1, 3, 7, 600])
def test_the_limit_is_exact_at_every_uptime(calls: int) -> None:
    """No rounding error refuses the last call, or admits one more."""
    for uptime in range(1, 2000):
        clock = Clock()
        clock.now = uptime * 1.000_000_007
        assert count_allowed(CallLimit(calls, clock), "ana", calls + 1) == calls


def test_each_name_has_its_own_bucket(clock: Clock) -> None:
    limit = CallLimit(2, clock)
    assert count_allowed(limit, "ana", 5) == 2
    assert count_allowed(limit, "bo", 5) == 2


def test_after_the_wait_of_a_refusal_the_next_call_is_allowed(clock: Clock) -> None:
    """`Retry-After` is in whole seconds, rounded up; a refused call does not lengthen the wait."""
    limit = CallLimit(40, clock)
    assert count_allowed(limit, "ana", 40) == 40
    for _ in range(3):
        with pytest.raises(TooManyError) as caught:
            limit.check("ana")
        assert caught.value.headers == {"Retry-After": "2"}
    clock.now += 2
    limit.check("ana")


def test_zero_is_no_limit(clock: Clock) -> None:
    """For an app behind another rate limiter."""
    assert count_allowed(CallLimit(0, clock), "ana", 10_000) == 10_000


def test_memory_is_bounded_and_active_names_are_kept(clock: Clock) -> None:
    """A flood of names drops the bucket that was used longest ago, not one in use."""
    limit = CallLimit(1, clock)
    limit.check("ana")
    for number in range(3 * MOST_NAMES):
        limit.check(f"name-{number}")
        if number % 1000 == 0:
            assert count_allowed(limit, "ana", 1) == 0
    assert len(limit._full_at) == MOST_NAMES


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("203.0.113.7:5678", "203.0.113.7"),
        ("203.0.113.7", "203.0.113.7"),
        ("1.1.1.1, 2.2.2.2,203.0.113.7:5678", "203.0.113.7"),
        ("[2001:db8::1]:5678", "2001:db8::/64"),
        ("2001:db8::1", "2001:db8::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("1.1.1.1, rubbish", "rubbish"),
        ("[", "["),
        ("", None),
        (" , ", None),
    ],
)
def test_the_address_is_the_one_that_the_front_end_saw(header: str, address: str | None) -> None:
    """It is the last one of the header; the client can write the addresses before it."""
    assert client_address({"x-forwarded-for": header}) == address


def test_without_a_front_end_the_address_is_unknown() -> None:
    """As on a developer's machine."""
    assert client_address({}) is None


def passes(limits: Limits, address: str = "203.0.113.7", user_id: str = "ana") -> bool:
    try:
        limits.check_address({"x-forwarded-for": address})
        limits.check_caller(user_id)
    except TooManyError:
        return False
    return True


@pytest.mark.parametrize(
    ("mode", "by_address", "by_caller"),
    [
        ("anonymous", True, True),
        ("easyauth", True, True),
        ("oidc", True, True),
        ("key", False, True),
        ("local", False, False),
    ],
)
def test_limits_by_mode(mode: str, by_address: bool, by_caller: bool) -> None:
    """A backend calls for all its users from one address; local mode has no limits."""
    settings: dict[str, Any] = {"mode": mode, "caller_limit": 1, "address_limit": 2}
    limits = Limits(make_settings(**settings))
    assert passes(limits, "203.0.113.1", "ana")
    assert passes(limits, "203.0.113.2", "ana") is not by_caller
    assert passes(limits, "203.0.113.1", "bo")
    assert passes(limits, "203.0.113.1", "cy") is not by_address
