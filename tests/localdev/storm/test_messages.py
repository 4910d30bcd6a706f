import json
from typing import Any

import pytest

from localdev.presence import present_users
from localdev.storm.messages import (
    END_TEXT,
    Announcement,
    AnnouncementLog,
    Inbox,
    read_announcement,
)


def frame(data: Any, kind: str = "json") -> bytes:
    """Return a group message, as the service sends it."""
    message = {"type": "message", "from": "group", "group": "lobby", "dataType": kind}
    return json.dumps({**message, "data": data}).encode()


def joined(number: int) -> bytes:
    """Return the announcement of one join, in JSON."""
    return frame({"type": "joined", "id": f"i{number}", "userId": f"u{number}", "text": ""})


def summary(identity: str, count: int, *users: str) -> bytes:
    """Return the announcement of many joins, in JSON."""
    return frame({"type": "joined", "id": identity, "userIds": users, "count": count, "text": ""})


def receive(*frames: bytes) -> Inbox:
    inbox = Inbox(AnnouncementLog())
    for moment, each in enumerate(frames):
        inbox.receive(each, moment)
    return inbox


def test_the_first_frame_names_the_connection() -> None:
    """Later system frames do not change it."""
    hello = {"type": "system", "event": "connected", "userId": "u1", "connectionId": "c1"}
    goodbye = {"type": "system", "event": "disconnected", "message": ""}
    inbox = receive(json.dumps(hello).encode(), json.dumps(goodbye).encode())
    assert (inbox.connection_id, inbox.shown) == ("c1", 0)


def test_every_join_counts_once() -> None:
    """A single join, and each join of a summary, also the joins whose user it does not name."""
    inbox = receive(joined(1), summary("d1", 40, "u2", "u3"), joined(50))
    assert (inbox.shown, inbox.duplicates, inbox.repeated) == (42, 0, 0)


def test_duplicates_are_dropped_by_their_id() -> None:
    """Each client counts its own duplicates, although clients share parsed messages."""
    log = AnnouncementLog()
    one, other = Inbox(log), Inbox(log)
    for each in (joined(1), joined(1), summary("d1", 3, "u2", "u3"), summary("d1", 3, "u2", "u3")):
        one.receive(each, 1.0)
    other.receive(joined(1), 2.0)
    assert (one.shown, one.duplicates, one.repeated) == (4, 2, 0)
    assert (other.shown, other.duplicates) == (1, 0)
    assert [list(each.arrivals) for each in log.announcements.values()] == [[1, 1, 2], [1, 1]]


def test_a_user_in_two_messages_with_different_ids_is_shown_twice() -> None:
    inbox = receive(joined(1), summary("d1", 3, "u1", "u2"), summary("d2", 2, "u2", "u3"))
    assert (inbox.repeated, inbox.duplicates) == (2, 0)


def test_the_last_message_is_not_an_announcement() -> None:
    assert not receive(joined(1)).received_end
    inbox = receive(joined(1), frame(END_TEXT, "text"))
    assert (inbox.received_end, inbox.shown) == (True, 1)


@pytest.mark.parametrize(
    ("text", "users", "count"),
    [
        ("u1", ("u1",), 1),
        ("u1 and u2", ("u1", "u2"), 2),
        ("u1, u2 and 1 other", ("u1", "u2"), 3),
        ("u1, u2 and 37 others", ("u1", "u2"), 39),
    ],
)
def test_texts_of_the_sample_template(text: str, users: tuple[str, ...], count: int) -> None:
    message = json.loads(frame(f"{text} joined lobby", "text"))
    whole = f"{text} joined lobby"
    assert read_announcement(message) == Announcement(whole, users, count)


@pytest.mark.parametrize(
    ("data", "kind"), [("u1 left lobby", "text"), ({"type": "left", "id": "i1"}, "json")]
)
def test_leaves_are_ignored(data: Any, kind: str) -> None:
    assert read_announcement(json.loads(frame(data, kind))) is None


def test_presence_messages_are_merged() -> None:
    """Each client has a state of its own; the newest list decides."""
    first: dict[str, Any] = {
        "type": "presence",
        "group": "lobby",
        "asOf": "2026-11-26T12:00:00Z",
        "gone": [],
    }
    first |= {"count": 1, "checksum": "", "truncated": False, "snapshot": True, "users": {"u1": 1}}
    second = first | {"asOf": "2026-11-26T12:00:01Z", "users": {"u1": 2, "u2": 1}}
    inbox = receive(frame(second), frame(first))
    assert present_users(inbox.presence) == {"u1": 2, "u2": 1}
    assert (inbox.shown, inbox.repeated, inbox.duplicates) == (0, 0, 0)
