"""Requests of streams (reference-json-reliable-webpubsub-subprotocol, "Requests")."""

from typing import Any

from webpubsub_emulator.client_requests import (
    ClientRequest,
    EndStream,
    KeepStreamAlive,
    StartStream,
    StreamData,
)
from webpubsub_emulator.json_members import (
    UINT64_MAX,
    read_flag,
    read_group,
    read_id,
    read_payload,
    read_value,
    whole_number,
)
from webpubsub_emulator.json_text import Members
from webpubsub_emulator.messages import ErrorDetail

IDLE_MS = 300_000  # without a value of the client
IDLE_MS_MAX = 2**32 - 1  # uint32 (webpubsub.v1.proto)

_DATA = {"streamSequenceId", "dataType", "data"}


def read_start(members: Members) -> ClientRequest:
    """Return a `sendToGroup` that has the member `stream`."""
    stream = _object(members["stream"].value)
    idle_ms = stream.get("idleTimeoutMs")
    return StartStream(
        read_group(members),
        _stream_id(stream.get("streamId")),
        IDLE_MS if idle_ms is None else whole_number(idle_ms, IDLE_MS_MAX),
        read_flag(members, "noEcho"),
        invalid_start(idle_ms, has_data="data" in members or "dataType" in members),
    )


def invalid_start(idle_ms: int | None, *, has_data: bool) -> str:
    """Return why a stream cannot start, or an empty text."""
    if idle_ms == 0:
        return "The idle timeout must be greater than 0."
    if has_data:
        return "The start of a stream must not have data."
    return ""


def read_data(members: Members) -> ClientRequest:
    """Return a fragment, which has all members of _DATA, or a keepalive, which has none."""
    stream_id = read_id(members, "streamId")
    if members.keys().isdisjoint(_DATA):
        return KeepStreamAlive(stream_id)
    if not members.keys() >= _DATA:
        raise ValueError("incomplete")
    sequence_id = whole_number(members["streamSequenceId"].value, UINT64_MAX)
    if sequence_id == 0:
        raise ValueError("streamSequenceId")
    return StreamData(stream_id, sequence_id, read_payload(members))


def read_end(members: Members) -> ClientRequest:
    """Return the end of a stream. The service gives its error the name UserError."""
    value = read_value(members, "error", None)
    return EndStream(read_id(members, "streamId"), None if value is None else _error(value))


def _error(value: Any) -> ErrorDetail:
    error = _object(value)
    message, code = error.get("message"), error.get("userErrorCode")
    if not isinstance(message, str | None) or not isinstance(code, str | None):
        raise ValueError("error")
    return ErrorDetail("UserError", message, code)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _stream_id(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("streamId")
    return value
