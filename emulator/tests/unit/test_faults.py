"""Tests of faults.py."""

from collections.abc import Sequence

import pytest

from webpubsub_emulator.faults import FAULTS, Fault, FaultError, Faults, parse_fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("late-visibility:ms=20", Fault("late-visibility", ms=20)),
        ("stale-list", Fault("stale-list", ms=1000)),
        ("stale-list:calls=2", Fault("stale-list", calls=2)),
        ("stale-list:calls=2,ms=5,rate=0", Fault("stale-list", calls=2, ms=5, rate=0)),
        (
            "rest-throttled:rate=0.05,retry-after=3",
            Fault("rest-throttled", rate=0.05, retry_after=3),
        ),
        ("rest-error:status=503,rate=.5", Fault("rest-error", rate=0.5, status=503)),
        ("rest-error-after", Fault("rest-error-after", status=500)),
        ("rest-forbidden:rate=0.5", Fault("rest-forbidden", rate=0.5)),
        ("rest-slow", Fault("rest-slow", ms=500)),
        ("event-lost:event=connected", Fault("event-lost", event="connected")),
        ("event-duplicated:rate=0", Fault("event-duplicated", rate=0)),
        ("event-delayed:ms=5", Fault("event-delayed", ms=5)),
        ("event-reordered", Fault("event-reordered")),
        ("handler-slow:ms=0", Fault("handler-slow")),
        ("connection-dropped:rate=1,ms=7", Fault("connection-dropped", ms=7)),
    ],
)
def test_faults_are_read(text: str, fault: Fault) -> None:
    """Parameters are in any order and optional; a printed fault can be read again."""
    assert parse_fault(text) == fault
    assert parse_fault(str(fault)) == fault


def test_a_fault_prints_all_its_parameters() -> None:
    """Defaults are printed, and parameters of other faults are not."""
    assert str(parse_fault("rest-throttled")) == "rest-throttled:rate=1.0,retry-after=1"
    assert str(parse_fault("event-delayed")) == "event-delayed:ms=500,rate=1.0"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", f"there is no such fault; there are {', '.join(FAULTS)}."),
        ("rest-eror", "there is no such fault"),
        ("rest-error:", "its parameters are rate, status, each at most once."),
        ("rest-error:ms=1", "its parameters are rate, status, each at most once."),
        ("rest-error:rate=1,rate=1", "each at most once"),
        ("rest-error:rate", "rate must be a number from 0 to 1."),
        ("rest-error:rate=1.1", "rate must be a number from 0 to 1."),
        ("rest-error:rate=-0.1", "rate must be a number from 0 to 1."),
        ("rest-error:rate=nan", "rate must be a number from 0 to 1."),
        ("rest-error:status=404", "status must be a whole number from 500 to 599."),
        ("rest-slow:ms=1.5", "ms must be a whole number from 0 to 600000."),
        ("rest-slow:ms=600001", "ms must be a whole number from 0 to 600000."),
        ("rest-slow:ms=٣", "ms must be a whole number from 0 to 600000."),
        ("rest-throttled:retry-after=soon", "retry-after must be a whole number from 0 to 86400."),
        ("stale-list:calls=1001", "calls must be a whole number from 0 to 1000."),
        ("event-lost:event=", "event must be the name of an event."),
    ],
)
def test_bad_faults(text: str, reason: str) -> None:
    """The error is one sentence that quotes the fault and says what is wrong."""
    with pytest.raises(FaultError) as caught:
        parse_fault(text)
    assert str(caught.value).startswith(f"fault {text!r}: ")
    assert reason in str(caught.value)


def strikes(faults: Faults, name: str, count: int = 100) -> Sequence[bool]:
    """Return whether the fault happens, for each of several calls."""
    return [faults.strike(name) is not None for _ in range(count)]


def test_a_seed_repeats_itself() -> None:
    """The same seed gives the same results, another seed gives others."""
    fault = parse_fault("rest-error:rate=0.3")
    first, second, other = (Faults([fault], seed) for seed in (7, 7, 8))
    expected = strikes(first, "rest-error")
    assert strikes(second, "rest-error") == expected
    assert strikes(other, "rest-error") != expected
    assert 15 < sum(expected) < 45


def test_faults_do_not_change_each_other() -> None:
    """A fault draws the same numbers whether another one is active or not."""
    error, slow = parse_fault("rest-error:rate=0.3"), parse_fault("rest-slow:rate=0.3")
    alone, both = Faults([error]), Faults([slow, error])
    mixed = [(both.strike("rest-slow"), both.strike("rest-error"))[1] for _ in range(100)]
    assert [strike is not None for strike in mixed] == strikes(alone, "rest-error")
    # They do not happen at the same calls.
    assert strikes(Faults([slow]), "rest-slow") != strikes(Faults([error]), "rest-error")


def test_rates() -> None:
    """0 is never, 1 is always, and an inactive fault never happens."""
    faults = Faults([parse_fault("rest-error:rate=0"), parse_fault("rest-slow:rate=1")])
    assert not any(strikes(faults, "rest-error"))
    assert all(strikes(faults, "rest-slow"))
    assert not any(strikes(faults, "event-lost"))


def test_a_fault_of_one_event() -> None:
    """It neither happens to other events nor draws for them; two faults may be for two events."""
    fault = parse_fault("event-lost:event=connected,rate=0.5")
    alone, among = Faults([fault]), Faults([fault, parse_fault("event-lost:event=message")])
    expected = [alone.strike("event-lost", "connected") for _ in range(50)]
    found = []
    for _ in range(50):
        assert among.strike("event-lost", "disconnected") is None
        found.append(among.strike("event-lost", "connected"))
    assert found == expected
    struck = among.strike("event-lost", "message")
    assert struck is not None
    assert struck.event == "message"


def test_the_first_of_several_happens() -> None:
    """Only the first one happens and is counted."""
    first, second = parse_fault("rest-error:status=501"), parse_fault("rest-error:status=502")
    faults = Faults([first, second])
    assert faults.strike("rest-error") == first
    assert faults.counts() == [(first, 1), (second, 0)]


def test_new_faults_replace_all() -> None:
    """Counts and random numbers start again."""
    old, new = parse_fault("rest-slow"), parse_fault("rest-error:rate=0.5")
    faults = Faults([old])
    faults.strike("rest-slow")
    for _ in range(2):
        faults.replace([new], 3)
        assert faults.counts() == [(new, 0)]
        assert strikes(faults, "rest-error") == strikes(Faults([new], 3), "rest-error")
    assert faults.strike("rest-slow") is None
