from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from usher.announcements import News, Style, read_news, write_announcement, write_message
from usher.events import ConnectionEvent

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
EVENT = ConnectionEvent("connected", "chat", "c-1", "ana", {}, event_id="1", time=NOW)
JSON = Style("{userId} is in {group}", "json")


def news_of(event: ConnectionEvent, group: str = "blue") -> News:
    news = read_news(event, group, JSON.template, NOW + timedelta(hours=1))
    assert news
    return news


def test_a_message_in_json() -> None:
    """Everything that a client needs; the names are as they are, the text is one line."""
    message: Any = write_message(news_of(replace(EVENT, user_id="a\nb"), "g\n"), JSON)
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
    assert write_message(news_of(EVENT), Style(JSON.template)) == "ana is in blue"


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
