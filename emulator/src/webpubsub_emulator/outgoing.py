"""What clients are sent: the service's frames, encoded. What clients send is in messages.py."""

import base64
import json
from functools import cached_property
from typing import Any, Literal

from webpubsub_emulator.messages import Frame, Payload


def connected_frame(
    connection_id: str, user_id: str | None, reconnection_token: str | None = None
) -> Frame:
    """The first frame of a connection; only reliable clients get a reconnection token."""
    fields = {
        "type": "system",
        "event": "connected",
        "userId": user_id,
        "connectionId": connection_id,
    }
    if reconnection_token is not None:
        fields["reconnectionToken"] = reconnection_token
    return _json_frame(fields)


def disconnected_frame(message: str) -> Frame:
    """The last frame before the service closes a connection on the app's wish."""
    return _json_frame({"type": "system", "event": "disconnected", "message": message})


def pong_frame() -> Frame:
    """The answer to a ping frame."""
    return _json_frame({"type": "pong"})


AckError = Literal["Forbidden", "Duplicate", "InternalServerError"]


def ack_frame(ack_id: int, error: AckError | None = None, message: str = "") -> Frame:
    """Success without `error`, else a failure (reference-json-webpubsub-subprotocol, "Ack")."""
    fields: dict[str, Any] = {"type": "ack", "ackId": ack_id, "success": error is None}
    if error is not None:
        fields["error"] = {"name": error, "message": message}
    return _json_frame(fields)


def _json_frame(fields: dict[str, Any]) -> Frame:
    return Frame(_json_bytes(fields))


def _json_bytes(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


class OutgoingMessage:
    """A message on its way to any number of clients; each form is encoded once."""

    def __init__(self, head: dict[str, str | None], payload: Payload) -> None:
        self._head = head
        self._payload = payload

    @cached_property
    def simple(self) -> Frame:
        """The bare data, for a simple WebSocket client."""
        is_text = self._payload.data_type in ("text", "json")
        return Frame(self._payload.content, is_text)

    @cached_property
    def json(self) -> Frame:
        """The enveloped data, for the JSON subprotocol."""
        return Frame(self._envelope + b"}")

    def reliable_json(self, sequence_id: int) -> Frame:
        """The JSON form with the receiver's own sequence id."""
        return Frame(self._envelope + b',"sequenceId":%d}' % sequence_id)

    @cached_property
    def _envelope(self) -> bytes:
        fields = {"type": "message", **self._head, "dataType": self._payload.data_type}
        return _json_bytes(fields)[:-1] + b',"data":' + self._data + self._metadata

    @property
    def _metadata(self) -> bytes:
        pairs = self._payload.metadata
        return b',"metadata":' + _json_bytes(dict(pairs)) if pairs else b""

    @property
    def _data(self) -> bytes:
        content = self._payload.content
        if self._payload.data_type == "json":
            return content
        if self._payload.data_type == "text":
            return json.dumps(content.decode()).encode()
        return b'"' + base64.b64encode(content) + b'"'


def group_message(group: str, from_user_id: str | None, payload: Payload) -> OutgoingMessage:
    """A message for a group's members; REST calls have no sender."""
    return OutgoingMessage({"from": "group", "fromUserId": from_user_id, "group": group}, payload)


def server_message(payload: Payload) -> OutgoingMessage:
    """A message from the app to clients, not through a group."""
    return OutgoingMessage({"from": "server"}, payload)
