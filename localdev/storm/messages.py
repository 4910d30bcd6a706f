"""What clients receive about joins, and what they show after dropping duplicates. Does no I/O."""

import json
import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localdev.presence import EMPTY, State, apply_presence, is_presence

END_TEXT = "the storm is over"  # sent to the group after the last join

# The app's summaries, as the template in the sample settings writes them.
_MANY_USERS = re.compile(r"(\S+), (\S+) and ([0-9]+) others?")
_TWO_USERS = re.compile(r"(\S+) and (\S+)")


@dataclass(frozen=True, slots=True)
class Announcement:
    """A message about joins, shared by all clients of a process that received it.

    `key` is the message's id, or its whole text in text format: messages with the same key are
    duplicates. `users` are the users it names, `count` is the number of joins it announces. A
    `presence` message announces a state instead.
    """

    key: str
    users: tuple[str, ...]
    count: int
    presence: Mapping[str, Any] | None = None
    arrivals: array[float] = field(default_factory=lambda: array("d"))


@dataclass(slots=True)
class AnnouncementLog:
    """The announcements that the clients of this process received, by frame.

    Clients share it, so that each frame is parsed once.
    """

    announcements: dict[bytes, Announcement] = field(default_factory=dict)


@dataclass(slots=True)
class Inbox:
    """What one client received.

    `shown` counts the joins that the client shows, `duplicates` the messages that it drops, and
    `repeated` the users that it nevertheless shows twice. `presence` is what the presence messages
    say.
    """

    log: AnnouncementLog
    connection_id: str = ""
    received_end: bool = False
    shown: int = 0
    duplicates: int = 0
    repeated: int = 0
    presence: State = EMPTY
    _keys: set[str] = field(default_factory=set)
    _users: set[str] = field(default_factory=set)

    def receive(self, frame: bytes, now: float) -> None:
        """Process a frame of the subprotocol `json.webpubsub.azure.v1`."""
        if announcement := self.log.announcements.get(frame):
            self._add(announcement, now)
            return
        message = json.loads(frame)
        if message["type"] == "system":
            self.connection_id = message.get("connectionId", self.connection_id)
        elif message["data"] == END_TEXT:
            self.received_end = True
        elif new := read_announcement(message):
            self.log.announcements[frame] = new
            self._add(new, now)

    def _add(self, announcement: Announcement, now: float) -> None:
        announcement.arrivals.append(now)
        if announcement.presence is not None:
            self.presence = apply_presence(self.presence, announcement.presence).state
            return
        if announcement.key in self._keys:
            self.duplicates += 1
            return
        self._keys.add(announcement.key)
        self.shown += announcement.count
        self.repeated += len(self._users.intersection(announcement.users))
        self._users.update(announcement.users)


def read_announcement(message: dict[str, Any]) -> Announcement | None:
    """Return the announcement of joins in a group message, or None for another message."""
    data = message["data"]
    if message["dataType"] == "text":
        return _read_text(data, f" joined {message['group']}")
    if is_presence(data):
        return Announcement(f"as of {data['asOf']}", (), 0, presence=data)
    if data["type"] != "joined":
        return None
    if "count" in data:
        return Announcement(data["id"], tuple(data["userIds"]), data["count"])
    return Announcement(data["id"], (data["userId"],), 1)


def _read_text(text: str, ending: str) -> Announcement | None:
    who = text.removesuffix(ending)
    if who == text:
        return None
    if many := _MANY_USERS.fullmatch(who):
        one, two, others = many.groups()
        return Announcement(text, (one, two), 2 + int(others))
    users = two_users.groups() if (two_users := _TWO_USERS.fullmatch(who)) else (who,)
    return Announcement(text, users, len(users))
