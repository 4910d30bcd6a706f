"""Clients without a subprotocol of the service: their frames are bare data, in both directions."""

from collections.abc import Mapping

from webpubsub_emulator.client_modes import PublishMode
from webpubsub_emulator.client_protocol import ClosingCode, Failure
from webpubsub_emulator.client_requests import ClientRequest, SendEvent, SendToGroup
from webpubsub_emulator.client_responses import ClientResponse
from webpubsub_emulator.messages import Frame, Payload
from webpubsub_emulator.outgoing import OutgoingMessage


def _bare_frame(message: OutgoingMessage) -> Frame:
    is_text = message.payload.data_type in ("text", "json")
    return Frame(message.payload.content, is_text, message.lifetime)


class SimpleProtocol:
    """Each frame of a client is a user event `message`, or is sent to the group in its URL.

    The protocol has no frames of its own, so a failure can only close the connection.
    """

    encode = staticmethod(_bare_frame)
    closes_on: Mapping[Failure, ClosingCode] = {
        # Not the text of the failure: it has the group's name, which a close reason (123 bytes)
        # may have no room for.
        "Forbidden": ClosingCode(1008, "The client does not have permission to send to the group."),
        "InternalServerError": ClosingCode(1011, "Internal server error"),
    }

    def read(self, frame: Frame, mode: PublishMode | None) -> ClientRequest:
        payload = Payload("text" if frame.is_text else "binary", frame.data)
        if mode is None:
            return SendEvent("message", payload, ack_id=None)
        return SendToGroup(mode.group, payload, mode.no_echo, ack_id=None)

    def connected(self, connection_id: str, user_id: str | None, reconnection_token: str) -> None:
        return None

    def disconnected(self, message: str) -> None:
        return None

    def pong(self) -> None:
        return None

    def ack(self, ack_id: int | None) -> None:
        return None

    def failure(self, ack_id: int | None, failure: Failure, message: str) -> None:
        return None

    def respond(self, response: ClientResponse) -> None:
        return None

    def new_unacknowledged(self) -> None:
        return None
