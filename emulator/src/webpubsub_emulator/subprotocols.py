"""The table of client protocols, and the choice of a client's subprotocol."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from webpubsub_emulator.client_protocol import ClientProtocol
from webpubsub_emulator.protocol_json import JsonProtocol
from webpubsub_emulator.protocol_reliable_json import ReliableJsonProtocol
from webpubsub_emulator.protocol_simple import SimpleProtocol

SIMPLE: ClientProtocol = SimpleProtocol()
# Name of a subprotocol, in lower case -> its protocol.
# Differs from Azure: the subprotocols of MQTT clients are unknown names here.
SUBPROTOCOLS: Mapping[str, ClientProtocol] = {
    "json.webpubsub.azure.v1": JsonProtocol(),
    "json.reliable.webpubsub.azure.v1": ReliableJsonProtocol(),
}
# The same for protocols of the optional package protobuf, by module and class.
PROTOBUF_SUBPROTOCOLS: Mapping[str, tuple[str, str]] = {
    "protobuf.webpubsub.azure.v1": ("protocol_protobuf", "ProtobufProtocol"),
    "protobuf.reliable.webpubsub.azure.v1": (
        "protocol_reliable_protobuf",
        "ReliableProtobufProtocol",
    ),
}


def protocol_of(subprotocol: str | None) -> ClientProtocol:
    """Return the protocol of a negotiated subprotocol. Unknown names are simple clients.

    Raises ImportError for a protocol that `lacks_protobuf`.
    """
    name = (subprotocol or "").lower()
    if name in PROTOBUF_SUBPROTOCOLS:
        return _load(name)
    return SUBPROTOCOLS.get(name, SIMPLE)


def lacks_protobuf(subprotocol: str | None) -> bool:
    """Return whether the subprotocol needs the package protobuf, and it is not installed."""
    return (subprotocol or "").lower() in PROTOBUF_SUBPROTOCOLS and not _has_protobuf()


def choose_subprotocol(offered: tuple[str, ...], picked: str | None) -> str | None:
    """Return the subprotocol to answer: the app's choice, or the first offered one in the tables.

    It is spelled as the client spelled it. None means an answer without a subprotocol.
    """
    if picked is not None:
        return picked
    return next((name for name in offered if _is_known(name.lower())), None)


def _is_known(name: str) -> bool:
    return name in SUBPROTOCOLS or name in PROTOBUF_SUBPROTOCOLS


@cache
def _load(name: str) -> ClientProtocol:
    # Imported on first use: the package is optional, and it would make every start slower.
    module, protocol = PROTOBUF_SUBPROTOCOLS[name]
    loaded: ClientProtocol = getattr(import_module(f"{__package__}.{module}"), protocol)()
    return loaded


def _has_protobuf() -> bool:
    try:
        return find_spec("google.protobuf") is not None
    except ModuleNotFoundError:  # there is no package `google` at all
        return False
