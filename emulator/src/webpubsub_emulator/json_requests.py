"""Requests of the JSON subprotocols: from text to the dataclasses of client_requests.py."""

from collections.abc import Callable
from dataclasses import replace

from webpubsub_emulator.client_requests import (
    CancelInvocation,
    ClientRequest,
    FrameError,
    Invoke,
    JoinGroup,
    LeaveGroup,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    SetGroupState,
    SubscribeGroupState,
    UnsubscribeGroupState,
)
from webpubsub_emulator.json_members import (
    UINT64_MAX,
    read_ack_id,
    read_entries,
    read_flag,
    read_group,
    read_id,
    read_number,
    read_payload,
    read_text,
    read_value,
    whole_number,
)
from webpubsub_emulator.json_streams import read_data, read_end, read_start
from webpubsub_emulator.json_text import Members, parse_members
from webpubsub_emulator.messages import TTL_MAX_SECONDS, Payload
from webpubsub_emulator.names import is_event_name

MALFORMED = "The client message is not a valid JSON protocol message."
INVALID_DATA = 1007  # the close code (RFC 6455, section 7.4.1)


def parse_request(text: str) -> ClientRequest:
    """Return a client's request (reference-json-webpubsub-subprotocol, "Requests").

    Raises FrameError.
    """
    try:
        members = parse_members(text)
        return _READERS[read_text(members, "type").lower()](members)
    except (ValueError, KeyError, RecursionError):
        raise FrameError(MALFORMED, INVALID_DATA) from None


def _read_join(members: Members) -> ClientRequest:
    return JoinGroup(read_group(members), read_ack_id(members))


def _read_leave(members: Members) -> ClientRequest:
    return LeaveGroup(read_group(members), read_ack_id(members))


def _read_send(members: Members) -> ClientRequest:
    if read_value(members, "stream", None) is not None:
        return read_start(members)
    no_echo = read_flag(members, "noEcho")
    ttl_seconds = read_number(members, "ttlSeconds", TTL_MAX_SECONDS)
    payload = read_payload(members)
    if ttl_seconds:
        payload = replace(payload, ttl_seconds=ttl_seconds)
    return SendToGroup(read_group(members), payload, no_echo, read_ack_id(members))


def _read_event(members: Members) -> ClientRequest:
    return SendEvent(_event_name(members), read_payload(members), read_ack_id(members))


def _event_name(members: Members) -> str:
    event = read_text(members, "event")
    if not is_event_name(event):
        raise ValueError("event")
    return event


def _read_ping(members: Members) -> ClientRequest:
    return Ping()


def _read_sequence_ack(members: Members) -> ClientRequest:
    return SequenceAck(whole_number(members["sequenceId"].value, UINT64_MAX))


def _read_invoke(members: Members) -> ClientRequest:
    # The only target so far ("web-pubsub-client" of npm, models/messages.ts).
    if read_value(members, "target", "event") != "event":
        raise ValueError("target")
    has_payload = not members.keys().isdisjoint(("data", "dataType", "metadata"))
    payload = read_payload(members) if has_payload else Payload("text", b"")
    return Invoke(read_id(members, "invocationId"), _event_name(members), payload)


def _read_cancel(members: Members) -> ClientRequest:
    return CancelInvocation(read_id(members, "invocationId"))


def _read_set_state(members: Members) -> ClientRequest:
    value = read_value(members, "state", None)
    state = None if value is None else read_entries(value)
    return SetGroupState(read_group(members), state, read_ack_id(members))


def _read_subscribe(members: Members) -> ClientRequest:
    return SubscribeGroupState(read_group(members), read_ack_id(members))


def _read_unsubscribe(members: Members) -> ClientRequest:
    return UnsubscribeGroupState(read_group(members), read_ack_id(members))


_READERS: dict[str, Callable[[Members], ClientRequest]] = {
    "joingroup": _read_join,
    "leavegroup": _read_leave,
    "sendtogroup": _read_send,
    "event": _read_event,
    "ping": _read_ping,
    "sequenceack": _read_sequence_ack,
    "invoke": _read_invoke,
    "cancelinvocation": _read_cancel,
    "streamdata": read_data,
    "streamend": read_end,
    "setgroupstate": _read_set_state,
    "subscribegroupstate": _read_subscribe,
    "unsubscribegroupstate": _read_unsubscribe,
}
