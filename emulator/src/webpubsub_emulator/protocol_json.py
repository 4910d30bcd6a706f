"""Clients of json.webpubsub.azure.v1 (reference-json-webpubsub-subprotocol)."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from webpubsub_emulator.client_modes import PublishMode
from webpubsub_emulator.client_protocol import ClosingCode, Failure
from webpubsub_emulator.client_requests import ClientRequest, FrameError
from webpubsub_emulator.client_responses import ClientResponse, InvocationResult
from webpubsub_emulator.json_requests import parse_request
from webpubsub_emulator.json_responses import response_fields, states_fields, stream_fields
from webpubsub_emulator.messages import Frame, Payload
from webpubsub_emulator.outgoing import OutgoingMessage
from webpubsub_emulator.unacknowledged import UnacknowledgedMessages

UNSUPPORTED_DATA = 1003  # the close code (RFC 6455, section 7.4.1)


def _message_frame(message: OutgoingMessage) -> Frame:
    return Frame(message.encoded(open_envelope) + b"}", lifetime=message.lifetime)


class JsonProtocol:
    """Requests and answers are JSON objects; a request with an `ackId` is acknowledged."""

    encode = staticmethod(_message_frame)
    closes_on: Mapping[Failure, ClosingCode] = {}

    def read(self, frame: Frame, mode: PublishMode | None) -> ClientRequest:
        if not frame.is_text:
            raise FrameError("The JSON subprotocol requires text messages.", UNSUPPORTED_DATA)
        return parse_request(frame.data.decode())

    def connected(self, connection_id: str, user_id: str | None, reconnection_token: str) -> Frame:
        return json_frame(connected_fields(connection_id, user_id))

    def disconnected(self, message: str) -> Frame:
        return json_frame({"type": "system", "event": "disconnected", "message": message})

    def pong(self) -> Frame:
        return json_frame({"type": "pong"})

    def ack(self, ack_id: int | None) -> Frame | None:
        if ack_id is None:
            return None
        return json_frame({"type": "ack", "ackId": ack_id, "success": True})

    def failure(self, ack_id: int | None, failure: Failure, message: str) -> Frame | None:
        # Without an ack id a failure is silent.
        if ack_id is None:
            return None
        error = {"name": failure, "message": message}
        return json_frame({"type": "ack", "ackId": ack_id, "success": False, "error": error})

    def respond(self, response: ClientResponse) -> Frame:
        fields = response_fields(response)
        if isinstance(response, InvocationResult) and response.payload is not None:
            return Frame(_open_object(fields, response.payload) + b"}")
        return json_frame(fields)

    def new_unacknowledged(self) -> UnacknowledgedMessages | None:
        return None


def connected_fields(connection_id: str, user_id: str | None) -> dict[str, str | None]:
    """Return the fields of the first frame of a connection."""
    return {
        "type": "system",
        "event": "connected",
        "userId": user_id,
        "connectionId": connection_id,
    }


def json_frame(fields: Mapping[str, Any]) -> Frame:
    """Return a frame with a JSON object."""
    return Frame(_json_bytes(fields))


def open_envelope(message: OutgoingMessage) -> bytes:
    """Return a message's JSON object without its closing brace, so that a member can be added."""
    head: dict[str, Any] = {"type": "message", "from": "server"}
    if message.group is not None:
        if message.states is not None:
            return _json_bytes(states_fields(message.group, message.states))[:-1]
        head["from"] = "group"
        head |= {"fromUserId": message.from_user_id, "group": message.group}
    if message.stream is not None:
        head["stream"] = stream_fields(message.stream)
    return _open_object(head, message.payload)


def _open_object(head: dict[str, Any], payload: Payload) -> bytes:
    head["dataType"] = payload.data_type
    return _json_bytes(head)[:-1] + b',"data":' + _data(payload) + _metadata(payload)


def _data(payload: Payload) -> bytes:
    if payload.data_type == "json":
        return payload.content
    if payload.data_type == "text":
        return json.dumps(payload.content.decode()).encode()
    return b'"' + base64.b64encode(payload.content) + b'"'


def _metadata(payload: Payload) -> bytes:
    return b',"metadata":' + _json_bytes(dict(payload.metadata)) if payload.metadata else b""


def _json_bytes(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
