"""Clients of protobuf.webpubsub.azure.v1 (reference-protobuf-webpubsub-subprotocol)."""

from collections.abc import Mapping
from typing import Any

from webpubsub_emulator.client_modes import PublishMode
from webpubsub_emulator.client_protocol import ClosingCode, Failure
from webpubsub_emulator.client_requests import ClientRequest, FrameError
from webpubsub_emulator.client_responses import ClientResponse
from webpubsub_emulator.messages import Frame, Lifetime
from webpubsub_emulator.outgoing import OutgoingMessage
from webpubsub_emulator.protobuf_requests import parse_request
from webpubsub_emulator.protobuf_responses import build_message, build_response, clean
from webpubsub_emulator.protobuf_schema import Downstream
from webpubsub_emulator.unacknowledged import UnacknowledgedMessages

UNSUPPORTED_DATA = 1003  # the close code (RFC 6455, section 7.4.1)
NOT_BINARY = "The protobuf.webpubsub.azure.v1 subprotocol requires binary messages."


def _message_frame(message: OutgoingMessage) -> Frame:
    # A message of its own, because reliable clients write their sequence ids into a shared one.
    return protobuf_frame(build_message(message), message.lifetime)


class ProtobufProtocol:
    """Requests and answers are binary frames; a request with an `ack_id` is acknowledged."""

    encode = staticmethod(_message_frame)
    closes_on: Mapping[Failure, ClosingCode] = {}

    def read(self, frame: Frame, mode: PublishMode | None) -> ClientRequest:
        if frame.is_text:
            raise FrameError(NOT_BINARY, UNSUPPORTED_DATA)
        return parse_request(frame.data)

    def connected(self, connection_id: str, user_id: str | None, reconnection_token: str) -> Frame:
        return protobuf_frame(connected_message(connection_id, user_id))

    def disconnected(self, message: str) -> Frame:
        envelope = Downstream()
        envelope.system_message.disconnected_message.reason = clean(message)
        return protobuf_frame(envelope)

    def pong(self) -> Frame:
        envelope = Downstream()
        envelope.pong_message.SetInParent()
        return protobuf_frame(envelope)

    def ack(self, ack_id: int | None) -> Frame | None:
        if ack_id is None:
            return None
        envelope = Downstream()
        envelope.ack_message.ack_id, envelope.ack_message.success = ack_id, True
        return protobuf_frame(envelope)

    def failure(self, ack_id: int | None, failure: Failure, message: str) -> Frame | None:
        # Without an ack id a failure is silent.
        if ack_id is None:
            return None
        envelope = Downstream()
        envelope.ack_message.ack_id = ack_id
        error = envelope.ack_message.error
        error.name, error.message = failure, clean(message)
        return protobuf_frame(envelope)

    def respond(self, response: ClientResponse) -> Frame:
        return protobuf_frame(build_response(response))

    def new_unacknowledged(self) -> UnacknowledgedMessages | None:
        return None


def connected_message(connection_id: str, user_id: str | None) -> Any:
    """Return the first message of a connection. Without a user the id is empty."""
    envelope = Downstream()
    connected = envelope.system_message.connected_message
    connected.connection_id, connected.user_id = connection_id, clean(user_id or "")
    return envelope


def protobuf_frame(envelope: Any, lifetime: Lifetime | None = None) -> Frame:
    """Return a frame with a message."""
    return Frame(envelope.SerializeToString(), is_text=False, lifetime=lifetime)
