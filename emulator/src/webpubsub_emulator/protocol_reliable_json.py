"""Clients of json.reliable.webpubsub.azure.v1, which can recover (client-spec, "Reliable")."""

from webpubsub_emulator.messages import Frame
from webpubsub_emulator.outgoing import OutgoingMessage
from webpubsub_emulator.protocol_json import (
    JsonProtocol,
    connected_fields,
    json_frame,
    open_envelope,
)
from webpubsub_emulator.unacknowledged import UnacknowledgedMessages


class ReliableJsonProtocol(JsonProtocol):
    """As JSON, with a reconnection token and a sequence id in each message."""

    def connected(self, connection_id: str, user_id: str | None, reconnection_token: str) -> Frame:
        fields = connected_fields(connection_id, user_id)
        return json_frame(fields | {"reconnectionToken": reconnection_token})

    def new_unacknowledged(self) -> UnacknowledgedMessages:
        return UnacknowledgedMessages(numbered_frame)


def numbered_frame(message: OutgoingMessage, sequence_id: int) -> Frame:
    """Return the frame of a message with the receiver's own sequence id."""
    data = message.encoded(open_envelope) + b',"sequenceId":%d}' % sequence_id
    return Frame(data, lifetime=message.lifetime)
