"""What the group is told when somebody comes or goes: the news, and the message that tells it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from usher.groups.events import ConnectionEvent

LONGEST_TEXT = 1024  # characters
NAMED = 2  # users of a crowd whose names are told
SOMEBODY = "somebody"  # a connection whose token names no user has no better name
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


def write_message(gathered: Sequence[News], style: Style) -> Message:
    """The message about one event, or about several of one kind, in the style's format."""
    first, last = gathered[0], gathered[-1]
    if style.format == "text":
        return first.text if first is last else _write_digest(gathered, style)
    told = {"type": first.type, "group": first.group, "at": last.at.isoformat()}
    if first is last:
        return told | {"id": first.id, "userId": first.user_id, "text": first.text}
    users = list(dict.fromkeys(news.user_id for news in gathered))[:NAMED]
    return told | {
        # Not that of one of them: whoever has heard of that one must not drop the others.
        "id": _hash([news.id for news in gathered]),
        "userIds": users,
        "count": len(gathered),
        "text": _write_digest(gathered, style),
    }


def _write_digest(gathered: Sequence[News], style: Style) -> str:
    """Two names and the number of the others: `u1, u2 and 37 others`."""
    names = list(dict.fromkeys(news.user_id or SOMEBODY for news in gathered))
    named, others = names[:NAMED], len(names) - NAMED
    if others > 0:
        whole = f"{', '.join(named)} and {others} {'others' if others > 1 else 'other'}"
    else:
        whole = " and ".join(named)
    return write_announcement(style.template, whole, gathered[0].group)


def write_announcement(template: str, user_id: str | None, group: str) -> str:
    """The text for one group, from a template that the settings have checked; may be empty.

    It is one line: whatever is no printable character is left out of the names.
    """
    text = template.format(userId=make_printable(user_id or SOMEBODY), group=make_printable(group))
    return text[:LONGEST_TEXT]


def make_printable(text: str) -> str:
    """The text without line breaks, control characters and marks that nobody sees."""
    return "".join(filter(str.isprintable, text))


def _identify(event: ConnectionEvent, group: str) -> str:
    # A hash, because a connection's id is for those who may call the service.
    return _hash([event.connection_id, group, event.name, event.event_id])


def _hash(parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
