"""What an emulator shows to a test: its connections, and the messages that it sent."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from webpubsub_emulator.connection import Connection
from webpubsub_emulator.json_text import parse_json
from webpubsub_emulator.messages import DataType
from webpubsub_emulator.outgoing import OutgoingMessage


@dataclass(frozen=True, slots=True)
class ClientConnection:
    """A connection as it was when it was asked for."""

    id: str
    user_id: str | None
    subprotocol: str | None
    groups: frozenset[str]
    is_open: bool  # without a socket, a reliable client may still recover it

    def __str__(self) -> str:
        """Return the connection on one line."""
        state = "" if self.is_open else ", waiting for recovery"
        groups = ", ".join(sorted(self.groups)) or "none"
        return f"{self.user_id or 'no user'} ({self.id}), groups: {groups}{state}"


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that the service sent to clients. A message without a receiver counts too."""

    data: Any  # a str for text, a value for JSON, and bytes for everything else
    data_type: DataType
    group: str | None  # None if it was not addressed to a group
    from_user_id: str | None  # None if the app sent it, or a client without a user id
    connection_ids: tuple[str, ...]
    user_ids: tuple[str | None, ...]  # of the same connections, in the same order

    def __str__(self) -> str:
        """Return the message on one line, with at most 80 characters of its data."""
        data = repr(self.data)
        shown = data if len(data) <= 80 else f"{data[:79]}…"
        place = "" if self.group is None else f" in group {self.group!r}"
        sender = "the app" if self.from_user_id is None else repr(self.from_user_id)
        receivers = zip(self.user_ids, self.connection_ids, strict=True)
        names = [user or connection for user, connection in receivers]
        return f"{shown} from {sender}{place} to {', '.join(names) or 'nobody'}"


def sent_message(message: OutgoingMessage, receivers: Iterable[Connection]) -> SentMessage:
    """Return the record of a message to these connections."""
    connections = tuple(receivers)
    return SentMessage(
        _data(message.payload.data_type, message.payload.content),
        message.payload.data_type,
        message.group,
        message.from_user_id,
        tuple(connection.id for connection in connections),
        tuple(connection.user_id for connection in connections),
    )


def client_connection(connection: Connection) -> ClientConnection:
    """Return a copy of what a test may know about a connection."""
    return ClientConnection(
        connection.id,
        connection.user_id,
        connection.subprotocol,
        frozenset(connection.groups),
        connection.is_attached,
    )


def _data(data_type: DataType, content: bytes) -> Any:
    if data_type == "json":
        return parse_json(content.decode())
    return content.decode() if data_type == "text" else content
