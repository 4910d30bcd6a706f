"""What the group is told when somebody comes or goes: the news, and the message that tells it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from usher.events import ConnectionEvent

LONGEST_TEXT = 1024  # characters
TYPES = {"connected": "joined", "disconnected": "left"}

type Message = str | dict[str, Any]  # is sent as text/plain, or as application/json


@dataclass(frozen=True)
class Style:
    """How a group is told: the template of the text, and `text` or `json`."""

    template: str
    format: str = "text"


@dataclass(frozen=True)
class News:
    """Somebody joined a group or left it. `id` is the same for the same event sent again."""

    type: str
    id: str
    group: str
    user_id: str | None
    text: str
    at: datetime


def read_news(event: ConnectionEvent, group: str, template: str, now: datetime) -> News | None:
    """What an event means for one group; None where the template says nothing."""
    text = write_announcement(template, event.user_id, group)
    if not text:
        return None
    at = event.time or now
    return News(TYPES[event.name], _identify(event, group), group, event.user_id, text, at)


def write_message(news: News, style: Style) -> Message:
    """The message about one event, in the style's format."""
    if style.format == "text":
        return news.text
    return {
        "type": news.type,
        "id": news.id,
        "group": news.group,
        "userId": news.user_id,
        "text": news.text,
        "at": news.at.isoformat(),
    }


def write_announcement(template: str, user_id: str | None, group: str) -> str:
    """The text for one group, from a template that the settings have checked; may be empty.

    It is one line: whatever is no printable character is left out of the names.
    """
    # A connection whose token names no user has no better name than this.
    text = template.format(
        userId=make_printable(user_id or "somebody"), group=make_printable(group)
    )
    return text[:LONGEST_TEXT]


def make_printable(text: str) -> str:
    """The text without line breaks, control characters and marks that nobody sees."""
    return "".join(filter(str.isprintable, text))


def _identify(event: ConnectionEvent, group: str) -> str:
    # A hash, because a connection's id is for those who may call the service.
    parts = [event.connection_id, group, event.name, event.event_id]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
