"""The table of client protocols, and the choice of a client's subprotocol."""

from collections.abc import Mapping

from webpubsub_emulator.client_protocol import ClientProtocol
from webpubsub_emulator.protocol_json import JsonProtocol
from webpubsub_emulator.protocol_reliable_json import ReliableJsonProtocol
from webpubsub_emulator.protocol_simple import SimpleProtocol

SIMPLE: ClientProtocol = SimpleProtocol()
# Name of a subprotocol, in lower case -> its protocol.
# Differs from Azure: the subprotocols of protobuf and MQTT clients are unknown names here.
SUBPROTOCOLS: Mapping[str, ClientProtocol] = {
    "json.webpubsub.azure.v1": JsonProtocol(),
    "json.reliable.webpubsub.azure.v1": ReliableJsonProtocol(),
}


def protocol_of(subprotocol: str | None) -> ClientProtocol:
    """Return the protocol of a negotiated subprotocol. Unknown names are simple clients."""
    return SUBPROTOCOLS.get((subprotocol or "").lower(), SIMPLE)


def choose_subprotocol(offered: tuple[str, ...], picked: str | None) -> str | None:
    """Return the subprotocol to answer: the app's choice, or the first offered one in the table.

    It is spelled as the client spelled it. None means an answer without a subprotocol.
    """
    if picked is not None:
        return picked
    return next((name for name in offered if name.lower() in SUBPROTOCOLS), None)
