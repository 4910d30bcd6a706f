from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.usher.settings import make_settings
from usher.door.limits import (
    MOST_NAMES,
    SITE_FACTOR,
    WINDOW,
    AddressLimit,
    CallLimit,
    Limits,
    client_networks,
)
from usher.errors import BadRequestError, TooManyError


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


UPTIMES = st.integers(0, 2**63 - 1)  # nanoseconds, as `time.monotonic_ns` counts them
CALLS = st.integers(1, 999_999)  # as the settings allow


@given(UPTIMES, CALLS)
@example(1_000_000_007, 1)
@example(2**63 - 1, 999_999)
def test_the_first_call_at_any_uptime_is_allowed(uptime: int, calls: int) -> None:
    CallLimit(calls, lambda: uptime).check("ana")


@given(UPTIMES, st.integers(1, 50), st.lists(st.integers(0, 2 * WINDOW), max_size=100))
@example(1_000_000_007, 3, [])
def test_at_any_uptime_the_same_calls_are_allowed(
    uptime: int, calls: int, pauses: list[int]
) -> None:
    """A minute's calls, and then as many as the pauses refill: a model without a clock agrees."""
    limit, used, cost = CallLimit(calls, lambda: uptime), 0, WINDOW // calls
    for pause in [0] * calls + pauses:
        uptime += pause
        used = max(0, used - pause)
        is_allowed = used + cost <= WINDOW
        assert count_allowed(limit, "ana", 1) == is_allowed
        used += cost * is_allowed


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
    ("header", "networks"),
    [
        ("203.0.113.7:5678", ["203.0.113.7"]),
        ("203.0.113.7", ["203.0.113.7"]),
        ("1.1.1.1, 2.2.2.2,203.0.113.7:5678", ["203.0.113.7"]),
        ("[2001:db8::1]:5678", ["2001:db8::/64", "2001:db8::/48"]),
        ("2001:db8::1", ["2001:db8::/64", "2001:db8::/48"]),
        ("::ffff:203.0.113.7", ["203.0.113.7"]),
        ("1.1.1.1, rubbish", ["rubbish"]),
        ("[", ["["]),
        ("", []),
        (" , ", []),
        ("203.0.113.7, ", []),
        ("203.0.113.7, :5678", []),
    ],
)
def test_the_address_is_the_one_that_the_front_end_saw(header: str, networks: list[str]) -> None:
    """It is the last of the header; the client can write the addresses before it."""
    assert client_networks({"x-forwarded-for": header}) == networks


def test_without_a_front_end_the_address_is_unknown() -> None:
    """As on a developer's machine."""
    assert client_networks({}) == []


def is_allowed(check: Callable[..., None], *arguments: Any) -> bool:
    try:
        check(*arguments)
    except TooManyError:
        return False
    return True


def from_address(address: str) -> dict[str, str]:
    return {"x-forwarded-for": address}


def test_each_64_network_has_the_limit_and_their_48_network_a_larger_one() -> None:
    """One owner often has a /48, which is 65,536 networks (RFC 6177)."""
    limit = AddressLimit(10, must_know=False)
    networks = [from_address(f"2001:db8:1:{number:x}::1") for number in range(620)]
    assert sum(is_allowed(limit.check, networks[0]) for _ in range(50)) == 10
    assert sum(is_allowed(limit.check, network) for network in networks) == 10 * SITE_FACTOR - 10
    assert is_allowed(limit.check, from_address("2001:db8:2::1"))


def test_a_flood_of_one_64_network_leaves_the_calls_of_its_neighbours() -> None:
    limit = AddressLimit(1, must_know=False)
    for _ in range(1000):
        is_allowed(limit.check, from_address("2001:db8::1"))
    assert is_allowed(limit.check, from_address("2001:db8:0:1::1"))


@pytest.mark.parametrize("headers", [{}, from_address("203.0.113.7, ")])
def test_calls_from_an_unknown_address_share_a_bucket_or_are_refused(
    headers: dict[str, str],
) -> None:
    """In Azure the platform always adds the address, so a call without it is refused."""
    shared = AddressLimit(2, must_know=False)
    assert [is_allowed(shared.check, headers) for _ in range(3)] == [True, True, False]
    with pytest.raises(BadRequestError):
        AddressLimit(2, must_know=True).check(headers)
    AddressLimit(0, must_know=True).check(headers)


def passes(limits: Limits, address: str = "203.0.113.7", user_id: str = "ana") -> bool:
    return is_allowed(limits.check_address, from_address(address)) and is_allowed(
        limits.check_caller, user_id
    )


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


@pytest.mark.parametrize("mode", ["anonymous", "easyauth", "oidc", "key", "local"])
def test_failures_and_open_pages_have_buckets_of_their_own(mode: str) -> None:
    """A flood of them takes no call away from callers behind the same address."""
    limits = Limits(make_settings(mode, address_limit=2))
    headers, is_local = from_address("203.0.113.1"), mode == "local"
    for check in (limits.check_failure, limits.check_open_page):
        expected = [True, True, is_local or (mode == "key" and check == limits.check_failure)]
        assert [is_allowed(check, headers) for _ in range(3)] == expected
    assert is_allowed(limits.check_address, headers)


@pytest.mark.parametrize(("mode", "is_refused"), [("anonymous", True), ("local", False)])
def test_in_azure_a_call_without_an_address_is_refused(mode: str, is_refused: bool) -> None:
    limits = Limits(make_settings(mode, is_in_azure=True))
    for check in (limits.check_address, limits.check_failure, limits.check_open_page):
        with pytest.raises(BadRequestError) if is_refused else nullcontext():
            check({})


def test_connects_of_a_user_in_a_minute() -> None:
    """A token without a user has no limit."""
    limits = Limits(make_settings("anonymous", connect_limit=2, most_connections=0))
    allowed = [is_allowed(limits.check_connect, "ana", f"c-{number}") for number in range(3)]
    assert allowed == [True, True, False]
    assert is_allowed(limits.check_connect, "bo", "c-4")
    assert all(is_allowed(limits.check_connect, None, f"c-{number}") for number in range(9))


def test_in_local_mode_connects_have_no_limit() -> None:
    limits = Limits(make_settings("local", connect_limit=1, most_connections=1))
    for number in range(5):
        limits.check_connect("ana", f"c-{number}")
        limits.connections.add("ana", f"c-{number}")
