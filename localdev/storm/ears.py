"""What clients hear of joins, and which of it they show who drop doubles. No sockets, no clock."""

import json
import re
from array import array
from dataclasses import dataclass, field
from typing import Any

THE_END = "the storm is over"

# The app's texts, with the template that the sample settings have.
_CROWD = re.compile(r"(\S+), (\S+) and ([0-9]+) others?")
_PAIR = re.compile(r"(\S+) and (\S+)")


@dataclass(frozen=True)
class Announcement:
    """A message about joins, the same object for all who hear it, and when they did.

    `key` is its id or, in text, all of it: what has the same key is a double. `users` are named,
    `count` joins are told.
    """

    key: str
    users: tuple[str, ...]
    count: int
    arrivals: array[float] = field(default_factory=lambda: array("d"))


@dataclass
class Ear:
    """One client's: how many joins it shows, drops and, by their names, shows a second time."""

    hall: "Hall"
    connection_id: str = ""
    heard_end: bool = False
    shown: int = 0
    doubles: int = 0
    repeated: int = 0
    _keys: set[str] = field(default_factory=set)
    _users: set[str] = field(default_factory=set)

    def hear(self, frame: bytes, now: float) -> None:
        """Takes a frame of `json.webpubsub.azure.v1`."""
        if announcement := self.hall.announcements.get(frame):
            self._listen(announcement, now)
            return
        message = json.loads(frame)
        if message["type"] == "system":
            self.connection_id = message.get("connectionId", self.connection_id)
        elif message["data"] == THE_END:
            self.heard_end = True
        elif new := read_announcement(message):
            self.hall.announcements[frame] = new
            self._listen(new, now)

    def _listen(self, announcement: Announcement, now: float) -> None:
        announcement.arrivals.append(now)
        if announcement.key in self._keys:
            self.doubles += 1
            return
        self._keys.add(announcement.key)
        self.shown += announcement.count
        self.repeated += len(self._users.intersection(announcement.users))
        self._users.update(announcement.users)


@dataclass
class Hall:
    """What all clients of a process heard, by the frame: each is taken apart once."""

    announcements: dict[bytes, Announcement] = field(default_factory=dict)


def read_announcement(message: dict[str, Any]) -> Announcement | None:
    """The announcement of joins in a group message; None in others, as those of leaves."""
    data = message["data"]
    if message["dataType"] == "text":
        return _read_text(data, f" joined {message['group']}")
    if data["type"] != "joined":
        return None
    if "count" in data:
        return Announcement(data["id"], tuple(data["userIds"]), data["count"])
    return Announcement(data["id"], (data["userId"],), 1)


def _read_text(text: str, ending: str) -> Announcement | None:
    who = text.removesuffix(ending)
    if who == text:
        return None
    if crowd := _CROWD.fullmatch(who):
        one, two, others = crowd.groups()
        return Announcement(text, (one, two), 2 + int(others))
    users = pair.groups() if (pair := _PAIR.fullmatch(who)) else (who,)
    return Announcement(text, users, len(users))
