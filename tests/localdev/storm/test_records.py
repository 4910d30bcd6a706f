import json
from typing import Any

from localdev.storm.outcome import Records


def line(connection_id: str, **fields: Any) -> str:
    """Return a line of an instance's log, as the local host prints it."""
    record = {"record": "join", "connectionId": connection_id, "userId": connection_id, **fields}
    return f"    INFO usher: {json.dumps({'addStatus': 200, 'sendStatus': None, **record})}"


def sent(connection_id: str, announced: int = 1) -> str:
    return line(connection_id, announced=announced, sendStatus=202, sendMilliseconds=30)


def read(*lines: str) -> Records:
    records = Records()
    for moment, each in enumerate(lines, 1):
        records.add(0, each, moment)
    return records


def test_other_lines_set_only_the_time() -> None:
    assert read("POST /runtime/webhooks/webpubsub 200 3 ms connected") == Records(last_at=1)


def test_negotiations_and_leaves() -> None:
    """A leave that is recorded twice counts once."""
    leave = 'INFO usher: {"record": "leave", "connectionId": "a"}'
    records = read('    INFO usher: {"record": "negotiate", "userId": "u1"}', leave, leave)
    assert (records.negotiated, records.left, records.joins) == (1, {"a"}, [])


def test_joins_in_accepted_messages_are_announced() -> None:
    """By instance; a join that another message covers counts only there."""
    records = read(
        sent("a"),
        line("b", announced=0),
        sent("c", announced=2),
        line("d", announced=5, failure="x"),
    )
    records.add(1, sent("e", announced=3), 9)
    assert (records.announced(), records.announced_by_instance()) == (6, [3, 3])
    assert records.send_seconds() == [0.03] * 3
    assert records.have_joined("abcde")
    assert not records.have_joined("abcdef")


def test_reasons_of_unannounced_joins() -> None:
    """A message that failed is one reason for all its joins."""
    records = read(
        sent("a"),
        line("b", announced=0),
        line("c", announced=4, failure="answered 500"),
        line("d", failure="gone"),
    )
    assert records.unannounced("abcde") == {
        "send: answered 500": 4,
        "add: gone": 1,
        "no record": 1,
    }


def test_a_repeated_event_needs_no_reason() -> None:
    """Neither does a first event that failed before the second one succeeded."""
    assert read(sent("a"), line("a", announced=0)).unannounced("a") == {}
    assert read(line("a", failure="gone"), sent("a")).unannounced("a") == {}
