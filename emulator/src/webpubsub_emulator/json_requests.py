"""Requests of the JSON subprotocols: from text to the dataclasses of client_requests.py."""

import base64
from collections.abc import Callable
from typing import Any

from webpubsub_emulator.client_requests import (
    ClientRequest,
    FrameError,
    JoinGroup,
    LeaveGroup,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
)
from webpubsub_emulator.json_text import Members, parse_members, parse_pairs
from webpubsub_emulator.messages import TTL_MAX_SECONDS, Payload
from webpubsub_emulator.metadata import Metadata, check_metadata
from webpubsub_emulator.names import is_event_name, is_group_name

MALFORMED = "The client message is not a valid JSON protocol message."
INVALID_DATA = 1007  # the close code (RFC 6455, section 7.4.1)
UINT64_MAX = 2**64 - 1


def parse_request(text: str) -> ClientRequest:
    """Return a client's request (reference-json-webpubsub-subprotocol, "Requests").

    Raises FrameError.
    """
    try:
        members = parse_members(text)
        return _READERS[_text(members, "type").lower()](members)
    except (ValueError, KeyError, RecursionError):
        raise FrameError(MALFORMED, INVALID_DATA) from None


def _read_join(members: Members) -> ClientRequest:
    return JoinGroup(_group(members), _ack_id(members))


def _read_leave(members: Members) -> ClientRequest:
    return LeaveGroup(_group(members), _ack_id(members))


def _read_send(members: Members) -> ClientRequest:
    no_echo = _value(members, "noEcho", False)
    if not isinstance(no_echo, bool):
        raise ValueError("noEcho")
    # Differs from Azure: only checked. No message expires, however long it waits for a client.
    _optional_number(members, "ttlSeconds", TTL_MAX_SECONDS)
    return SendToGroup(_group(members), _payload(members), no_echo, _ack_id(members))


def _read_event(members: Members) -> ClientRequest:
    event = _text(members, "event")
    if not is_event_name(event):
        raise ValueError("event")
    return SendEvent(event, _payload(members), _ack_id(members))


def _read_ping(members: Members) -> ClientRequest:
    return Ping()


def _read_sequence_ack(members: Members) -> ClientRequest:
    return SequenceAck(_whole_number(members["sequenceId"].value, UINT64_MAX))


# Differs from Azure: the frames of its previews (invocations, streams, group state) are unknown.
_READERS: dict[str, Callable[[Members], ClientRequest]] = {
    "joingroup": _read_join,
    "leavegroup": _read_leave,
    "sendtogroup": _read_send,
    "event": _read_event,
    "ping": _read_ping,
    "sequenceack": _read_sequence_ack,
}


def _value(members: Members, key: str, default: Any) -> Any:
    return members[key].value if key in members else default


def _text(members: Members, key: str) -> str:
    value = members[key].value
    if not isinstance(value, str):
        raise ValueError(key)
    return value


def _group(members: Members) -> str:
    group = _text(members, "group")
    if not is_group_name(group):
        raise ValueError("group")
    return group


def _ack_id(members: Members) -> int | None:
    return _optional_number(members, "ackId", UINT64_MAX)


def _optional_number(members: Members, key: str, largest: int) -> int | None:
    value = _value(members, key, None)
    return None if value is None else _whole_number(value, largest)


def _whole_number(value: Any, largest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise ValueError("number")
    return value


def _payload(members: Members) -> Payload:
    metadata = _metadata(members)
    if metadata is not None and "data" not in members:
        return Payload("text", b"", metadata)
    data_type = _text(members, "dataType").lower() if "dataType" in members else "json"
    if data_type == "text":
        return Payload("text", _text(members, "data").encode(), metadata or ())
    if data_type in ("binary", "protobuf"):
        # Protobuf data is a google.protobuf.Any, which the service does not decode.
        content = base64.b64decode(_text(members, "data"), validate=True)
        return Payload("binary" if data_type == "binary" else "protobuf", content, metadata or ())
    if data_type == "json" and members["data"].value is not None:
        return Payload("json", members["data"].raw.encode(), metadata or ())
    raise ValueError("data")


def _metadata(members: Members) -> Metadata | None:
    value = _value(members, "metadata", None)
    if value is None:
        return None
    # Parsed again, because a dictionary has lost the keys that came twice.
    pairs = parse_pairs(members["metadata"].raw)
    if not isinstance(value, dict) or not all(isinstance(text, str) for _, text in pairs):
        raise ValueError("metadata")
    return check_metadata(pairs)
