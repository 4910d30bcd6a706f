"""What clients send: frames of the JSON subprotocols to frozen dataclasses, names and data.

What clients are sent is in outgoing.py. No connection, no permission and no state here.
"""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple, NoReturn

from webpubsub_emulator.metadata import Metadata, check_metadata
from webpubsub_emulator.names import is_event_name, is_group_name

MESSAGE_LIMIT = 1024 * 1024
"""The largest message in bytes, in either direction (terms: 1 MB per message)."""

MALFORMED = "The client message is not a valid JSON protocol message."
UINT64_MAX = 2**64 - 1
TTL_MAX_SECONDS = 300

_BLANKS = re.compile(r"[ \t\r\n]*")


class Protocol(Enum):
    """How the service and one client talk."""

    SIMPLE = "no subprotocol of the service"
    JSON = "json.webpubsub.azure.v1"
    RELIABLE_JSON = "json.reliable.webpubsub.azure.v1"


# Differs from Azure: the two protobuf subprotocols are unknown names here.
_SUBPROTOCOLS = {protocol.value: protocol for protocol in (Protocol.JSON, Protocol.RELIABLE_JSON)}


def protocol_of(subprotocol: str | None) -> Protocol:
    """The protocol behind a negotiated subprotocol name; custom names are simple clients."""
    return _SUBPROTOCOLS.get((subprotocol or "").lower(), Protocol.SIMPLE)


def choose_subprotocol(offered: tuple[str, ...], picked: str | None) -> str | None:
    """The subprotocol to answer, as the client spelled it: the app's pick, or the first known."""
    if picked is not None:
        return picked
    return next((name for name in offered if protocol_of(name) is not Protocol.SIMPLE), None)


class FrameError(ValueError):
    """A frame that the subprotocol does not allow; the text is fit to be a close reason."""


DataType = Literal["text", "json", "binary", "protobuf"]


@dataclass(frozen=True, slots=True)
class Payload:
    """Message data as its original bytes: UTF-8 text, JSON text, or anything.

    `metadata` are the message's key and value pairs, in their order.
    """

    data_type: DataType
    content: bytes
    metadata: Metadata = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole WebSocket message, encoded: UTF-8 text unless `is_text` is false."""

    data: bytes
    is_text: bool = True


# --- client to service -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JoinGroup:
    """The client asks to join a group."""

    group: str
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class LeaveGroup:
    """The client asks to leave a group."""

    group: str
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class SendToGroup:
    """The client publishes to a group; `no_echo` leaves the sender out."""

    group: str
    payload: Payload
    no_echo: bool
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class SendEvent:
    """The client sends a user event to the app."""

    event: str
    payload: Payload
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class Ping:
    """The client asks for a pong."""


@dataclass(frozen=True, slots=True)
class SequenceAck:
    """A reliable client has everything up to this sequence id."""

    sequence_id: int


ClientFrame = JoinGroup | LeaveGroup | SendToGroup | SendEvent | Ping | SequenceAck


class _Member(NamedTuple):
    value: Any
    raw: str


_Members = dict[str, _Member]


def parse_frame(text: str) -> ClientFrame:
    """Read a client's JSON frame (reference-json-webpubsub-subprotocol, "Requests").

    Raises FrameError, with the text for close code 1007.
    """
    try:
        members = _parse_object(text)
        return _READERS[_text(members, "type").lower()](members)
    except FrameError:
        raise
    except (ValueError, KeyError, RecursionError):
        raise FrameError(MALFORMED) from None


def _read_join(members: _Members) -> ClientFrame:
    return JoinGroup(_group(members), _ack_id(members))


def _read_leave(members: _Members) -> ClientFrame:
    return LeaveGroup(_group(members), _ack_id(members))


def _read_send(members: _Members) -> ClientFrame:
    no_echo = _value(members, "noEcho", False)
    if not isinstance(no_echo, bool):
        raise ValueError("noEcho")
    # Differs from Azure: only checked. No message expires, however long it waits for a client.
    _optional_number(members, "ttlSeconds", TTL_MAX_SECONDS)
    return SendToGroup(_group(members), _payload(members), no_echo, _ack_id(members))


def _read_event(members: _Members) -> ClientFrame:
    event = _text(members, "event")
    if not is_event_name(event):
        raise ValueError("event")
    return SendEvent(event, _payload(members), _ack_id(members))


def _read_ping(members: _Members) -> ClientFrame:
    return Ping()


def _read_sequence_ack(members: _Members) -> ClientFrame:
    return SequenceAck(_whole_number(members["sequenceId"].value, UINT64_MAX))


# Differs from Azure: the frames of its previews (invocations, streams, group state) are unknown.
_READERS: dict[str, Callable[[_Members], ClientFrame]] = {
    "joingroup": _read_join,
    "leavegroup": _read_leave,
    "sendtogroup": _read_send,
    "event": _read_event,
    "ping": _read_ping,
    "sequenceack": _read_sequence_ack,
}


def _value(members: _Members, key: str, default: Any) -> Any:
    return members[key].value if key in members else default


def _text(members: _Members, key: str) -> str:
    value = members[key].value
    if not isinstance(value, str):
        raise ValueError(key)
    return value


def _group(members: _Members) -> str:
    group = _text(members, "group")
    if not is_group_name(group):
        raise ValueError("group")
    return group


def _ack_id(members: _Members) -> int | None:
    return _optional_number(members, "ackId", UINT64_MAX)


def _optional_number(members: _Members, key: str, largest: int) -> int | None:
    value = _value(members, key, None)
    return None if value is None else _whole_number(value, largest)


def _whole_number(value: Any, largest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise ValueError("number")
    return value


def _payload(members: _Members) -> Payload:
    metadata = _metadata(members)
    if metadata is not None and "data" not in members:
        return Payload("text", b"", metadata)
    data_type = _text(members, "dataType").lower() if "dataType" in members else "json"
    if data_type == "text":
        return Payload("text", _text(members, "data").encode(), metadata or ())
    if data_type in ("binary", "protobuf"):
        # Protobuf data is an Any (google.protobuf), which nobody on the way looks into.
        content = base64.b64decode(_text(members, "data"), validate=True)
        return Payload("binary" if data_type == "binary" else "protobuf", content, metadata or ())
    if data_type == "json" and members["data"].value is not None:
        return Payload("json", members["data"].raw.encode(), metadata or ())
    raise ValueError("data")


def _metadata(members: _Members) -> Metadata | None:
    value = _value(members, "metadata", None)
    if value is None:
        return None
    # Read again: a dictionary has forgotten the keys that came twice.
    pairs = _PAIRS_DECODER.decode(members["metadata"].raw)
    if not isinstance(value, dict) or not all(isinstance(text, str) for _, text in pairs):
        raise ValueError("metadata")
    return check_metadata(pairs)


# --- JSON text -------------------------------------------------------------------------


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


# Python's parser takes NaN and Infinity, which are not JSON (RFC 8259, section 6).
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_PAIRS_DECODER = json.JSONDecoder(object_pairs_hook=list)


def parse_json(text: str) -> Any:
    """The value of a JSON text; ValueError if it is not JSON, or too deep to read."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parse_object(text: str) -> _Members:
    """The members of a JSON object, each with its own text.

    The service passes JSON data on as written; a value printed again would differ in its
    blanks and its numbers.
    """
    members: _Members = {}
    position = _skip(text, 0, "{")
    separator = "," if not text.startswith("}", position) else ""
    while separator:
        key, position = _DECODER.raw_decode(text, position)
        start = _skip(text, position, ":")
        value, end = _DECODER.raw_decode(text, start)
        members[key] = _Member(value, text[start:end])
        position = _skip(text, end, "")
        separator = "," if text.startswith(",", position) else ""
        position = _skip(text, position, separator)
    if _skip(text, position, "}") != len(text):
        raise ValueError("text after the object")
    return members


def _skip(text: str, position: int, token: str) -> int:
    """The position after blanks, the token and blanks again."""
    start = _after_blanks(text, position)
    if not text.startswith(token, start):
        raise ValueError(f"expected {token}")
    return _after_blanks(text, start + len(token))


def _after_blanks(text: str, position: int) -> int:
    blanks = _BLANKS.match(text, position)
    return blanks.end() if blanks else position
