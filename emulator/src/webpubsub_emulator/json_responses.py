"""Answers of client_responses.py as JSON objects, and the members that say where a stream is."""

from typing import Any

from webpubsub_emulator.client_responses import (
    ClientResponse,
    InvocationError,
    InvocationResult,
    StreamAck,
    StreamClosed,
    StreamNack,
)
from webpubsub_emulator.messages import ErrorDetail, MemberState, MemberStates, StreamPart


def response_fields(response: ClientResponse) -> dict[str, Any]:
    """Return an answer as a JSON object. It is without the data of an invocation's result.

    Sources: npm's web-pubsub-client (models/messages.ts), and for streams the responses in
    reference-json-reliable-webpubsub-subprotocol.
    """
    match response:
        case StreamAck(stream_id, expected):  # the most frequent answer comes first
            return _stream("streamAck", stream_id) | {"expectedSequenceId": expected}
        case StreamNack(stream_id, expected, name, message):
            reason = {"expectedSequenceId": expected, "name": name, "message": message}
            return _stream("streamNack", stream_id) | reason
        case StreamClosed(stream_id, error):
            return _stream("streamClosed", stream_id) | _error(error)
        case InvocationResult(invocation_id):
            return _invoke_response(invocation_id, success=True)
        case InvocationError(invocation_id, error):
            return _invoke_response(invocation_id, success=False) | _error(error)


def stream_fields(part: StreamPart) -> dict[str, Any]:
    """Return the member `stream` of a message."""
    fields: dict[str, Any] = {"streamId": part.stream_id, "streamSequenceId": part.sequence_id}
    if part.is_end:
        fields["endOfStream"] = True
    return fields | _error(part.error)


def states_fields(group: str, states: MemberStates) -> dict[str, Any]:
    """Return states of a group's members, as a JSON object."""
    kind = "groupStateSnapshot" if states.is_snapshot else "groupStateUpdate"
    return {"type": kind, "group": group, "items": [_member_fields(one) for one in states.items]}


def _member_fields(member: MemberState) -> dict[str, Any]:
    # An anonymous connection has no `userId`, and a state that was cleared no `state`.
    fields: dict[str, Any] = {"connectionId": member.connection_id}
    if member.user_id is not None:
        fields["userId"] = member.user_id
    if member.state is not None:
        fields["state"] = dict(member.state)
    return fields | {"updatedAt": member.updated_at}


def _stream(kind: str, stream_id: str) -> dict[str, Any]:
    return {"type": kind, "streamId": stream_id}


def _invoke_response(invocation_id: str, *, success: bool) -> dict[str, Any]:
    return {"type": "invokeResponse", "invocationId": invocation_id, "success": success}


def _error(error: ErrorDetail | None) -> dict[str, Any]:
    if error is None:
        return {}
    texts = {"name": error.name, "message": error.message, "userErrorCode": error.user_code}
    return {"error": {key: text for key, text in texts.items() if text is not None}}
