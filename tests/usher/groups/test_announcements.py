from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.errors import ServiceError
from usher.groups.announcements import FORMATS, Announcement, make_printable, write_text
from usher.groups.event_announcer import announcement_of
from usher.groups.events import ConnectionEvent

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
EVENT = ConnectionEvent("connected", "chat", "c-1", "ana", {}, event_id="1", time=NOW)
TEMPLATE = "{userId} is in {group}"
TEXT, JSON = FORMATS["text"], FORMATS["json"]


def announce(event: ConnectionEvent = EVENT, group: str = "blue") -> Announcement:
    return announcement_of(event, group, TEMPLATE)


def read_json(announcements: list[Announcement]) -> dict[str, Any]:
    message = JSON.write(announcements, TEMPLATE)
    assert isinstance(message, dict)
    return message


def read_text(announcements: list[Announcement], template: str = TEMPLATE) -> str:
    text = TEXT.write(announcements, template)
    assert isinstance(text, bytes)
    return text.decode()


def crowd(*users: str | None) -> list[Announcement]:
    """Return an announcement for each user, one second apart."""
    events = [replace(EVENT, connection_id=f"c-{n}", user_id=user) for n, user in enumerate(users)]
    return [
        replace(announce(event), at=NOW + timedelta(seconds=n)) for n, event in enumerate(events)
    ]


def test_an_announcement_in_json() -> None:
    """Names are unchanged, the text is one printable line."""
    message = read_json([announce(replace(EVENT, user_id="a\nb"), "g\n")])
    assert len(message.pop("id")) == 32
    assert message == {
        "type": "joined",
        "group": "g\n",
        "userId": "a\nb",
        "text": "ab is in g",
        "at": "2026-11-24T12:30:00+00:00",
    }


def test_an_announcement_in_text() -> None:
    assert read_text([announce(replace(EVENT, user_id="añá"))]) == "añá is in blue"


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
def test_a_summary_in_text(users: list[str | None], text: str) -> None:
    """It names two users, each once, and counts the others."""
    assert read_text(crowd(*users), "{userId} in {group}") == text


def test_a_summary_in_json() -> None:
    """It has the number of joins and an id of its own."""
    announcements = crowd("u1", "u2", "u3", "u1")
    message = read_json(announcements)
    assert message.pop("id") not in {one.id for one in announcements}
    assert message == {
        "type": "joined",
        "group": "blue",
        "userIds": ["u1", "u2"],
        "count": 4,
        "text": "u1, u2 and 1 other is in blue",
        "at": "2026-11-24T12:30:03+00:00",
    }


def test_a_summary_in_json_names_each_user_once() -> None:
    """`count` is the number of joins, and not of users."""
    message = read_json(crowd("u1", "u1"))
    assert (message["userIds"], message["count"]) == (["u1"], 2)


def test_a_leave() -> None:
    """Without the time of the event, the present time is used."""
    started = datetime.now(UTC)
    announcement = announce(replace(EVENT, name="disconnected", time=None, user_id=None))
    assert (announcement.type, announcement.user_id) == ("left", None)
    assert announcement.text == "somebody is in blue"
    assert started <= announcement.at <= datetime.now(UTC)


def test_an_empty_template_has_an_empty_text() -> None:
    assert announcement_of(EVENT, "blue", "").text == ""


def test_a_retried_event_keeps_its_id() -> None:
    """The id does not contain the connection id."""
    assert announce().id == announce(replace(EVENT, time=None, states={"groups": []})).id
    assert "c-1" not in announce().id


@pytest.mark.parametrize(
    "change", [{"connection_id": "c-2"}, {"event_id": "2"}, {"name": "disconnected"}]
)
def test_another_event_has_another_id(change: Any) -> None:
    """The same event in another group has another id, too."""
    ids = {announce().id, announce(EVENT, "green").id, announce(replace(EVENT, **change)).id}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("error", "text", "json"),
    [
        (ServiceError("refused", reached=False), True, True),
        (ServiceError("x", answered=429), True, True),
        (ServiceError("x", answered=503), True, True),
        (ServiceError("x", answered=408), False, True),
        (ServiceError("x", answered=500), False, True),
        (ServiceError("no answer"), False, True),
        (ServiceError("x", answered=400), False, False),
    ],
)
def test_the_retry_rule_of_each_format(error: ServiceError, text: bool, json: bool) -> None:
    """A text is only repeated if nothing was sent; duplicates in JSON have the same id."""
    assert (TEXT.may_send_again(error), JSON.may_send_again(error)) == (text, json)


TRICKS = ["{userId}", "{group}", "{0}", "{{", "}}", "{userId.__class__}", "%s", "\n", "{", "}", "a"]
TRICKY = st.lists(st.sampled_from(TRICKS)).map("".join) | st.text()


@given(TRICKY, TRICKY, st.lists(st.sampled_from(["{userId}", "{group}", "{{", "}}", " x "])))
def test_only_the_template_is_read_as_a_template(user: str, group: str, parts: list[str]) -> None:
    """What a name contains is copied, printable characters only, and never filled in."""
    values = {"{userId}": make_printable(user or "somebody"), "{group}": make_printable(group)}
    expected = "".join((values | {"{{": "{", "}}": "}"}).get(part, part) for part in parts)
    text = write_text("".join(parts), user, group)
    assert text == expected[:1024]
    assert text.isprintable()


def test_names_are_not_read_as_templates() -> None:
    assert write_text("{userId} joined {group}!", "{group}", "a") == "{group} joined a!"


def test_the_text_is_one_printable_line() -> None:
    """Line breaks, control characters and direction marks are removed; all scripts stay."""
    assert write_text("{userId} joined {group}", "a\nb\x00 ñ\u202e", "g\r") == "ab ñ joined g"


def test_long_texts_are_truncated() -> None:
    assert len(write_text("{userId}", "a" * 5000, "g")) == 1024


def test_a_connection_without_a_user() -> None:
    """Tokens that other apps issue may have no user."""
    assert write_text("{userId} joined", None, "a") == "somebody joined"
