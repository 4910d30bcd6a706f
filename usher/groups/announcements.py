"""Announcements of joins and leaves, and the formats of the messages that carry them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

from usher.errors import ServiceError

LONGEST_TEXT = 1024  # characters
NAMED_USERS = 2  # in a summary; it counts the others
UNNAMED_USER = "somebody"  # for a connection whose token has no user id

type Body = bytes | dict[str, Any]  # of a message: text in UTF-8, or a JSON object


@dataclass(frozen=True, slots=True)
class Announcement:
    """A user joined a group or left it. `type` is "joined" or "left".

    The `id` of a retried event stays the same, so that clients can ignore duplicates.
    """

    type: str
    id: str
    group: str
    user_id: str | None
    text: str
    at: datetime


class Format(Protocol):
    """A format of announcements: what is sent, and when a failed message may be sent again."""

    @property
    def content_type(self) -> str:
        """The content type of the message."""

    def write(self, announcements: Sequence[Announcement], template: str) -> Body:
        """Return the body of the message for one announcement, or for a summary of several.

        The announcements have one type and one group. The template is for the summary's text.
        """

    def may_send_again(self, error: ServiceError) -> bool:
        """Return whether a message may be sent again after this error."""


class TextFormat:
    """A line of text. Receivers cannot tell a duplicate, so it is sent once, if at all."""

    content_type: ClassVar[str] = "text/plain"

    def write(self, announcements: Sequence[Announcement], template: str) -> Body:
        """Return the text of the announcement, or of the summary."""
        return _write_text(announcements, template).encode()

    def may_send_again(self, error: ServiceError) -> bool:
        """Allow it only if the service certainly sent nothing."""
        return not error.reached or error.answered in (429, 503)


class JsonFormat:
    """A JSON object with an id, by which receivers ignore duplicates."""

    content_type: ClassVar[str] = "application/json"

    def write(self, announcements: Sequence[Announcement], template: str) -> Body:
        """Return the JSON object of one announcement, or of the summary."""
        first, last = announcements[0], announcements[-1]
        message: dict[str, Any] = {
            "type": first.type,
            "group": first.group,
            "at": last.at.isoformat(),
            "text": _write_text(announcements, template),
        }
        if len(announcements) == 1:
            message |= {"id": first.id, "userId": first.user_id}
        else:
            users = list(dict.fromkeys(one.user_id for one in announcements))[:NAMED_USERS]
            # A new id: a client that already saw one member's id must not drop the summary.
            message |= {
                "id": hash_id([one.id for one in announcements]),
                "userIds": users,
                "count": len(announcements),
            }
        return message

    def may_send_again(self, error: ServiceError) -> bool:
        """Allow it after every transient failure."""
        return error.is_transient


FORMATS: Mapping[str, Format] = {"text": TextFormat(), "json": JsonFormat()}


def write_text(template: str, user_id: str | None, group: str) -> str:
    """Fill in a template, which the settings have checked; the text has one printable line."""
    user = make_printable(user_id or UNNAMED_USER)
    return template.format(userId=user, group=make_printable(group))[:LONGEST_TEXT]


def make_printable(text: str) -> str:
    """Remove line breaks, control characters and invisible marks."""
    return "".join(filter(str.isprintable, text))


def hash_id(parts: Sequence[str]) -> str:
    """Return 32 hexadecimal digits that are the same for the same parts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _write_text(announcements: Sequence[Announcement], template: str) -> str:
    """Return the text of one announcement, or of a summary: `u1, u2 and 37 others`."""
    if len(announcements) == 1:
        return announcements[0].text
    names = list(dict.fromkeys(one.user_id or UNNAMED_USER for one in announcements))
    named, others = names[:NAMED_USERS], len(names) - NAMED_USERS
    if others > 0:
        users = f"{', '.join(named)} and {others} {'others' if others > 1 else 'other'}"
    else:
        users = " and ".join(named)
    return write_text(template, users, announcements[0].group)
