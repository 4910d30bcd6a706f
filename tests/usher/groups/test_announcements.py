from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from usher.groups.announcements import News, Style, read_news, write_announcement, write_message
from usher.groups.events import ConnectionEvent

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
EVENT = ConnectionEvent("connected", "chat", "c-1", "ana", {}, event_id="1", time=NOW)
JSON = Style("{userId} is in {group}", "json")


def news_of(event: ConnectionEvent, group: str = "blue") -> News:
    news = read_news(event, group, JSON.template, NOW + timedelta(hours=1))
    assert news
    return news


def test_a_message_in_json() -> None:
    """Everything that a client needs; the names are as they are, the text is one line."""
    message: Any = write_message([news_of(replace(EVENT, user_id="a\nb"), "g\n")], JSON)
    assert len(message.pop("id")) == 32
    assert message == {
        "type": "joined",
        "group": "g\n",
        "userId": "a\nb",
        "text": "ab is in g",
        "at": "2026-11-24T12:30:00+00:00",
    }


def test_a_message_in_text() -> None:
    """The text and nothing else."""
    assert write_message([news_of(EVENT)], Style(JSON.template)) == "ana is in blue"


def crowd(*users: str | None) -> list[News]:
    """The news of each, a second apart."""
    events = [replace(EVENT, connection_id=f"c-{n}", user_id=user) for n, user in enumerate(users)]
    return [
        replace(news_of(event), at=NOW + timedelta(seconds=n)) for n, event in enumerate(events)
    ]


@pytest.mark.parametrize(
    ("users", "text"),
    [
        (["u1", "u2"], "u1 and u2 in blue"),
        (["u1", "u2", "u3"], "u1, u2 and 1 other in blue"),
        ([f"u{n}" for n in range(39)], "u0, u1 and 37 others in blue"),
        (["u1", "u1"], "u1 in blue"),
        (["u1", "u1", "u2", "u2", "u3"], "u1, u2 and 1 other in blue"),
        ([None, None, "u1"], "somebody and u1 in blue"),
    ],
)
def test_a_crowd_in_text(users: list[str | None], text: str) -> None:
    """Two names and how many others; who came twice is named once."""
    assert write_message(crowd(*users), Style("{userId} in {group}")) == text


def test_a_crowd_in_json() -> None:
    """With the number of joins, and an id of its own."""
    news = crowd("u1", "u2", "u3", "u1")
    message: Any = write_message(news, JSON)
    assert message.pop("id") not in {one.id for one in news}
    assert message == {
        "type": "joined",
        "group": "blue",
        "userIds": ["u1", "u2"],
        "count": 4,
        "text": "u1, u2 and 1 other is in blue",
        "at": "2026-11-24T12:30:03+00:00",
    }


def test_a_leave() -> None:
    """Told by the name of the event; without its own time the time is now."""
    news = news_of(replace(EVENT, name="disconnected", time=None, user_id=None))
    assert (news.type, news.user_id, news.text) == ("left", None, "somebody is in blue")
    assert news.at == NOW + timedelta(hours=1)


def test_an_empty_template_is_no_news() -> None:
    """In either format."""
    assert read_news(EVENT, "blue", "", NOW) is None


def test_the_same_event_has_the_same_id() -> None:
    """Which does not show the connection's."""
    assert news_of(EVENT).id == news_of(replace(EVENT, time=None, states={"groups": []})).id
    assert "c-1" not in news_of(EVENT).id


@pytest.mark.parametrize(
    "change", [{"connection_id": "c-2"}, {"event_id": "2"}, {"name": "disconnected"}]
)
def test_another_event_has_another_id(change: Any) -> None:
    """And so has the same event in another group."""
    ids = {news_of(EVENT).id, news_of(EVENT, "green").id, news_of(replace(EVENT, **change)).id}
    assert len(ids) == 3


def test_names_are_filled_in_and_not_read_again() -> None:
    """A name that looks like a template stays as it is."""
    assert write_announcement("{userId} joined {group}!", "{group}", "a") == "{group} joined a!"


def test_names_become_one_printable_line() -> None:
    """No line breaks, control characters or direction marks; spaces and all scripts stay."""
    assert (
        write_announcement("{userId} joined {group}", "a\nb\x00 ñ\u202e", "g\r") == "ab ñ joined g"
    )


def test_long_texts_are_cut() -> None:
    """A name may be long, what everybody is told may not."""
    assert len(write_announcement("{userId}", "a" * 5000, "g")) == 1024


def test_a_connection_without_a_user() -> None:
    """Tokens that were not minted here may have none."""
    assert write_announcement("{userId} joined", None, "a") == "somebody joined"
