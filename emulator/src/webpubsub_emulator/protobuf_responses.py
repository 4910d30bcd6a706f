"""Messages and answers of the service in the form of the protobuf subprotocols."""

from typing import Any

from google.protobuf.message import DecodeError

from webpubsub_emulator.client_responses import (
    ClientResponse,
    InvocationError,
    InvocationResult,
    StreamAck,
    StreamClosed,
    StreamNack,
)
from webpubsub_emulator.messages import ErrorDetail, MemberStates, Payload, StreamPart
from webpubsub_emulator.outgoing import OutgoingMessage
from webpubsub_emulator.protobuf_schema import Downstream


def build_message(message: OutgoingMessage) -> Any:
    """Return a message for clients. It does not name the sender, for which there is no field."""
    envelope = Downstream()
    if message.group is not None and message.states is not None:
        _fill_states(envelope, message.group, message.states)
        return envelope
    data = envelope.data_message
    # `from` is a word of Python, so it is not an attribute here.
    setattr(data, "from", "server" if message.group is None else "group")
    if message.group is not None:
        data.group = clean(message.group)
    _fill_data(data, message.payload)
    if message.stream is not None:
        _fill_stream(data.stream, message.stream)
    return envelope


def build_response(response: ClientResponse) -> Any:
    """Return the answer to a request that has no ack id."""
    envelope = Downstream()
    match response:
        case StreamAck(stream_id, expected):  # the most frequent answer comes first
            answer = envelope.stream_ack_message
            answer.stream_id, answer.expected_sequence_id = clean(stream_id), expected
        case StreamNack(stream_id, expected, name, message):
            answer = envelope.stream_nack_message
            answer.stream_id, answer.expected_sequence_id = clean(stream_id), expected
            answer.name, answer.message = name, clean(message)
        case StreamClosed(stream_id, error):
            envelope.stream_closed_message.stream_id = clean(stream_id)
            _fill_error(envelope.stream_closed_message, error)
        case InvocationResult(invocation_id, payload):
            answer = envelope.invoke_response_message
            answer.invocation_id, answer.success = clean(invocation_id), True
            if payload is not None:
                _fill_data(answer, payload)
        case InvocationError(invocation_id, error):
            envelope.invoke_response_message.invocation_id = clean(invocation_id)
            _fill_error(envelope.invoke_response_message, error)
    return envelope


def clean(text: str) -> str:
    """Return a text that a protobuf string can hold: Unicode without surrogates.

    A JSON frame or a token can have surrogates.
    """
    return text.encode(errors="replace").decode()


def _fill_data(target: Any, payload: Payload) -> None:
    data, content = target.data, payload.content
    match payload.data_type:
        case "text":
            data.text_data = content.decode()
        case "json":
            # As the schema and the official clients have it. The documentation says `text_data`.
            data.json_data = content.decode()
        case "binary":
            data.binary_data = content
        case "protobuf":
            _fill_any(data, content)
    target.metadata.update(payload.metadata)


def _fill_any(data: Any, content: bytes) -> None:
    """Fill in protobuf data, or binary data if a JSON client sent something else."""
    try:
        data.protobuf_data.MergeFromString(content)
    except DecodeError:
        data.binary_data = content


def _fill_states(envelope: Any, group: str, states: MemberStates) -> None:
    is_snapshot = states.is_snapshot
    kind = "group_state_snapshot_message" if is_snapshot else "group_state_update_message"
    target = getattr(envelope, kind)
    target.group = clean(group)
    for member in states.items:
        item = target.items.add(connection_id=member.connection_id, updated_at=member.updated_at)
        if member.user_id is not None:
            item.user_id = clean(member.user_id)
        if member.state is not None:
            item.state.SetInParent()
            item.state.entries.update({clean(key): clean(text) for key, text in member.state})


def _fill_stream(target: Any, part: StreamPart) -> None:
    target.stream_id, target.stream_sequence_id = clean(part.stream_id), part.sequence_id
    if part.is_end:
        target.end_of_stream = True
    if part.error is not None:
        _fill_error(target, part.error)
        target.error.user_error_code = clean(part.error.user_code or "")


def _fill_error(target: Any, error: ErrorDetail | None) -> None:
    if error is not None:
        target.error.name, target.error.message = error.name, clean(error.message or "")
