"""Tests of validations.py."""

from webpubsub_emulator.validations import Validations

URL = "http://app/validate"


def test_a_success_holds_until_the_next_result() -> None:
    """For 60 s it is not due; after that it is valid until the next result."""
    subject = Validations()
    assert (subject.known(URL, 0), subject.is_due(URL, 0)) == (None, True)
    subject.record(URL, True, 0)
    assert [subject.is_due(URL, now) for now in (0, 59.9, 60)] == [False, False, True]
    assert [subject.known(URL, now) for now in (0, 60, 3600)] == [True, True, True]
    subject.record(URL, False, 60)
    assert subject.known(URL, 60) is False
    assert subject.known("http://app/other", 1) is None


def test_failures_back_off() -> None:
    """Failures in a row are valid for 1, 2, 4, ... at most 60 s; a success resets this."""
    subject, now, waits = Validations(), 0.0, []
    for _ in range(8):
        subject.record(URL, False, now)
        start = now
        while subject.known(URL, now) is False:
            assert not subject.is_due(URL, now)
            now += 1
        assert subject.is_due(URL, now)
        waits.append(now - start)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    subject.record(URL, True, now)
    subject.record(URL, False, now)
    assert subject.known(URL, now + 1) is None
