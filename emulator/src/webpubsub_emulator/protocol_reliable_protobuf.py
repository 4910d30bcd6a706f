"""Clients of protobuf.reliable.webpubsub.azure.v1, which can recover (client-spec, "Reliable")."""

from webpubsub_emulator.messages import Frame
from webpubsub_emulator.outgoing import OutgoingMessage
from webpubsub_emulator.protobuf_responses import build_message
from webpubsub_emulator.protocol_protobuf import (
    ProtobufProtocol,
    connected_message,
    protobuf_frame,
)
from webpubsub_emulator.unacknowledged import UnacknowledgedMessages


class ReliableProtobufProtocol(ProtobufProtocol):
    """As protobuf, with a reconnection token and a sequence id in each message."""

    def connected(self, connection_id: str, user_id: str | None, reconnection_token: str) -> Frame:
        envelope = connected_message(connection_id, user_id)
        envelope.system_message.connected_message.reconnection_token = reconnection_token
        return protobuf_frame(envelope)

    def new_unacknowledged(self) -> UnacknowledgedMessages:
        return UnacknowledgedMessages(numbered_frame)


def numbered_frame(message: OutgoingMessage, sequence_id: int) -> Frame:
    """Return the frame of a message with the receiver's own sequence id."""
    envelope = message.encoded(build_message)  # shared, so each receiver's id replaces the last
    getattr(envelope, envelope.WhichOneof("kind")).sequence_id = sequence_id
    return protobuf_frame(envelope, message.lifetime)
