import json
from typing import Any

import pytest

from localdev.storm.ears import THE_END, Announcement, Ear, Hall, read_announcement


def frame(data: Any, kind: str = "json") -> bytes:
    """A group message, as the service sends it."""
    message = {"type": "message", "from": "group", "group": "lobby", "dataType": kind}
    return json.dumps({**message, "data": data}).encode()


def joined(number: int) -> bytes:
    """One join, in JSON."""
    return frame({"type": "joined", "id": f"i{number}", "userId": f"u{number}", "text": ""})


def crowd(identity: str, count: int, *users: str) -> bytes:
    """Many joins, in JSON."""
    return frame({"type": "joined", "id": identity, "userIds": users, "count": count, "text": ""})


def listen(*frames: bytes) -> Ear:
    ear = Ear(Hall())
    for moment, each in enumerate(frames):
        ear.hear(each, moment)
    return ear


def test_the_first_frame_names_the_connection() -> None:
    """And later frames of the system change nothing."""
    hello = {"type": "system", "event": "connected", "userId": "u1", "connectionId": "c1"}
    goodbye = {"type": "system", "event": "disconnected", "message": ""}
    ear = listen(json.dumps(hello).encode(), json.dumps(goodbye).encode())
    assert (ear.connection_id, ear.shown) == ("c1", 0)


def test_every_join_counts_once() -> None:
    """A single one, and those of a crowd, however many of them are named."""
    ear = listen(joined(1), crowd("d1", 40, "u2", "u3"), joined(50))
    assert (ear.shown, ear.doubles, ear.repeated) == (42, 0, 0)


def test_doubles_are_dropped_by_their_id() -> None:
    """And counted, though another client hears of the same for the first time."""
    hall = Hall()
    one, other = Ear(hall), Ear(hall)
    for each in (joined(1), joined(1), crowd("d1", 3, "u2", "u3"), crowd("d1", 3, "u2", "u3")):
        one.hear(each, 1.0)
    other.hear(joined(1), 2.0)
    assert (one.shown, one.doubles, one.repeated) == (4, 2, 0)
    assert (other.shown, other.doubles) == (1, 0)
    assert [list(each.arrivals) for each in hall.announcements.values()] == [[1, 1, 2], [1, 1]]


def test_whom_ids_do_not_save_from_being_shown_again() -> None:
    """A user who is named in two messages with different ids."""
    ear = listen(joined(1), crowd("d1", 3, "u1", "u2"), crowd("d2", 2, "u2", "u3"))
    assert (ear.repeated, ear.doubles) == (2, 0)


def test_the_end() -> None:
    """It is no announcement."""
    assert not listen(joined(1)).heard_end
    assert listen(joined(1), frame(THE_END, "text")).heard_end


@pytest.mark.parametrize(
    ("text", "users", "count"),
    [
        ("u1", ("u1",), 1),
        ("u1 and u2", ("u1", "u2"), 2),
        ("u1, u2 and 1 other", ("u1", "u2"), 3),
        ("u1, u2 and 37 others", ("u1", "u2"), 39),
    ],
)
def test_texts(text: str, users: tuple[str, ...], count: int) -> None:
    """As the app writes them, with the sample's template."""
    message = json.loads(frame(f"{text} joined lobby", "text"))
    whole = f"{text} joined lobby"
    assert read_announcement(message) == Announcement(whole, users, count)


@pytest.mark.parametrize(
    ("data", "kind"), [("u1 left lobby", "text"), ({"type": "left", "id": "i1"}, "json")]
)
def test_leaves_are_no_matter(data: Any, kind: str) -> None:
    """In either format."""
    assert read_announcement(json.loads(frame(data, kind))) is None
