"""Requests of the protobuf subprotocols: from bytes to the dataclasses of client_requests.py."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from google.protobuf.message import DecodeError

from webpubsub_emulator.client_requests import (
    CancelInvocation,
    ClientRequest,
    EndStream,
    FrameError,
    Invoke,
    JoinGroup,
    KeepStreamAlive,
    LeaveGroup,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    SetGroupState,
    StartStream,
    StreamData,
    SubscribeGroupState,
    UnsubscribeGroupState,
)
from webpubsub_emulator.json_streams import IDLE_MS, invalid_start
from webpubsub_emulator.json_text import parse_json
from webpubsub_emulator.messages import TTL_MAX_SECONDS, ErrorDetail, Payload
from webpubsub_emulator.metadata import check_metadata
from webpubsub_emulator.names import is_event_name, is_group_name
from webpubsub_emulator.protobuf_schema import Upstream

# One text for both subprotocols, as at Microsoft's emulator (WebPubSubProtobufV1Protocol.cs).
MALFORMED = "The client message is not a valid protobuf.webpubsub.azure.v1 protocol message."
INVALID_DATA = 1007  # the close code (RFC 6455, section 7.4.1)


def parse_request(data: bytes) -> ClientRequest:
    """Return a client's request (reference-protobuf-webpubsub-subprotocol, "Requests").

    Raises FrameError.
    """
    try:
        envelope = Upstream.FromString(data)
        kind = envelope.WhichOneof("kind")
        return _READERS[kind](getattr(envelope, kind))
    except (DecodeError, ValueError, KeyError):
        raise FrameError(MALFORMED, INVALID_DATA) from None


def _read_join(message: Any) -> ClientRequest:
    return JoinGroup(_group(message), _optional(message, "ack_id"))


def _read_leave(message: Any) -> ClientRequest:
    return LeaveGroup(_group(message), _optional(message, "ack_id"))


def _read_send(message: Any) -> ClientRequest:
    if message.HasField("stream"):
        return _read_start(message)
    if message.ttl_seconds > TTL_MAX_SECONDS:
        raise ValueError("ttl_seconds")
    payload = replace(_payload(message), ttl_seconds=message.ttl_seconds)
    return SendToGroup(_group(message), payload, message.no_echo, _optional(message, "ack_id"))


def _read_start(message: Any) -> ClientRequest:
    idle_ms = _optional(message.stream, "idle_timeout_ms")
    return StartStream(
        _group(message),
        _identifier(message.stream.stream_id),
        IDLE_MS if idle_ms is None else idle_ms,
        message.no_echo,
        invalid_start(idle_ms, has_data=message.HasField("data")),
    )


def _read_event(message: Any) -> ClientRequest:
    return SendEvent(_event(message), _payload(message), _optional(message, "ack_id"))


def _read_sequence_ack(message: Any) -> ClientRequest:
    return SequenceAck(message.sequence_id)


def _read_ping(message: Any) -> ClientRequest:
    return Ping()


def _read_invoke(message: Any) -> ClientRequest:
    has_payload = message.HasField("data") or message.metadata
    payload = _payload(message) if has_payload else Payload("text", b"")
    return Invoke(_identifier(message.invocation_id), _event(message), payload)


def _read_cancel(message: Any) -> ClientRequest:
    return CancelInvocation(_identifier(message.invocation_id))


def _read_stream_data(message: Any) -> ClientRequest:
    """Return a fragment, which has a number and data, or a keepalive, which has neither."""
    stream_id = _identifier(message.stream_id)
    sequence_id = _optional(message, "stream_sequence_id")
    if sequence_id is None and not message.HasField("data"):
        return KeepStreamAlive(stream_id)
    if not sequence_id:
        raise ValueError("stream_sequence_id")
    return StreamData(stream_id, sequence_id, _content(message.data))


def _read_stream_end(message: Any) -> ClientRequest:
    error = None
    if message.HasField("error"):
        texts = (_optional(message.error, name) for name in ("message", "user_error_code"))
        error = ErrorDetail("UserError", *texts)
    return EndStream(_identifier(message.stream_id), error)


def _read_set_state(message: Any) -> ClientRequest:
    state = tuple(message.state.entries.items()) if message.HasField("state") else None
    return SetGroupState(_group(message), state, _optional(message, "ack_id"))


def _read_subscribe(message: Any) -> ClientRequest:
    return SubscribeGroupState(_group(message), _optional(message, "ack_id"))


def _read_unsubscribe(message: Any) -> ClientRequest:
    return UnsubscribeGroupState(_group(message), _optional(message, "ack_id"))


_READERS: dict[str, Callable[[Any], ClientRequest]] = {
    "send_to_group_message": _read_send,
    "event_message": _read_event,
    "join_group_message": _read_join,
    "leave_group_message": _read_leave,
    "sequence_ack_message": _read_sequence_ack,
    "ping_message": _read_ping,
    "invoke_event_message": _read_invoke,
    "cancel_invocation_message": _read_cancel,
    "stream_data_message": _read_stream_data,
    "stream_end_message": _read_stream_end,
    "set_group_state_message": _read_set_state,
    "subscribe_group_state_message": _read_subscribe,
    "unsubscribe_group_state_message": _read_unsubscribe,
}


def _optional(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def _group(message: Any) -> str:
    group: str = message.group
    if not is_group_name(group):
        raise ValueError("group")
    return group


def _event(message: Any) -> str:
    event: str = message.event
    # The schema has streams of events, but no description of them was found.
    if not is_event_name(event) or message.HasField("stream"):
        raise ValueError("event")
    return event


def _identifier(value: str) -> str:
    if not value:
        raise ValueError("id")
    return value


def _payload(message: Any) -> Payload:
    """Return data and metadata. Metadata without data has an empty text, as in JSON frames."""
    metadata = check_metadata(message.metadata.items())
    if metadata and message.data.WhichOneof("kind") is None:
        return Payload("text", b"", metadata)
    return replace(_content(message.data), metadata=metadata)


def _content(data: Any) -> Payload:
    match data.WhichOneof("kind"):
        case "text_data":
            return Payload("text", data.text_data.encode())
        case "binary_data":
            return Payload("binary", data.binary_data)
        case "protobuf_data":
            return Payload("protobuf", data.protobuf_data.SerializeToString())
        case "json_data":
            # Not checked at Microsoft's emulator. A JSON client could not read its frame otherwise.
            parse_json(data.json_data)
            return Payload("json", data.json_data.encode())
    raise ValueError("data")
