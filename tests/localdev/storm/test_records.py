import json
from typing import Any

from localdev.storm.records import Records


def line(connection_id: str, **fields: Any) -> str:
    """A line of an instance's log, as the local host prints it."""
    record = {"record": "join", "connectionId": connection_id, "userId": connection_id, **fields}
    return f"    INFO usher: {json.dumps({'addStatus': 200, 'sendStatus': None, **record})}"


def sent(connection_id: str, told: int = 1) -> str:
    return line(connection_id, announced=told, sendStatus=202, sendMilliseconds=30)


def read(*lines: str) -> Records:
    records = Records()
    for moment, each in enumerate(lines, 1):
        records.add(0, each, moment)
    return records


def test_what_is_no_record_is_activity() -> None:
    """Nothing but the time is taken of it."""
    assert read("POST /runtime/webhooks/webpubsub 200 3 ms connected") == Records(last_at=1)


def test_negotiations_and_leaves() -> None:
    """They are counted; a leave that is recorded twice is one."""
    leave = 'INFO usher: {"record": "leave", "connectionId": "a"}'
    records = read('    INFO usher: {"record": "negotiate", "userId": "u1"}', leave, leave)
    assert (records.negotiated, records.left, records.joins) == (1, {"a"}, [])


def test_announced() -> None:
    """What the service accepted, by instance; a join that another's message told is no second."""
    records = read(
        sent("a"), line("b", announced=0), sent("c", told=2), line("d", announced=5, failure="x")
    )
    records.add(1, sent("e", told=3), 9)
    assert (records.told(), records.told_by_instance()) == (6, [3, 3])
    assert records.sending() == [0.03] * 3
    assert records.have_joined("abcde")
    assert not records.have_joined("abcdef")


def test_reasons() -> None:
    """A message that failed is one reason for all whom it was about."""
    records = read(
        sent("a"),
        line("b", announced=0),
        line("c", announced=4, failure="answered 500"),
        line("d", failure="gone"),
    )
    assert records.reasons("abcde") == {
        "send: answered 500": 4,
        "add: gone": 1,
        "no record": 1,
    }


def test_an_event_that_came_again() -> None:
    """The second one told nobody and needs no reason; nor does a first one that failed."""
    assert read(sent("a"), line("a", announced=0)).reasons("a") == {}
    assert read(line("a", failure="gone"), sent("a")).reasons("a") == {}
