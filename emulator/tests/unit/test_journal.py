"""Tests of journal.py."""

from webpubsub_emulator.journal import KEPT, CallRecord, EventRecord, Journal


def test_the_oldest_go() -> None:
    """The last 200 events and 200 calls are kept, newest last."""
    journal = Journal()
    for number in range(KEPT + 1):
        journal.events.append(EventRecord("", "chat", "c1", "e", str(number), 204, "", 1))
        journal.calls.append(CallRecord("", "GET", str(number), 200))
    assert KEPT == len(journal.events) == len(journal.calls) == 200
    assert (journal.events[0].ce_id, journal.events[-1].ce_id) == ("1", "200")
    assert (journal.calls[0].path, journal.calls[-1].path) == ("1", "200")
