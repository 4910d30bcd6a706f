"""Frames of protobuf clients, written as the fields of their message."""

from typing import Any

from webpubsub_emulator.messages import Frame
from webpubsub_emulator.protobuf_schema import Downstream, Upstream

PROTOBUF = "protobuf.webpubsub.azure.v1"
RELIABLE_PROTOBUF = "protobuf.reliable.webpubsub.azure.v1"
# The message of the documentation: google.protobuf.Any of a message with `value = 1`.
ANY = bytes.fromhex(
    "0a2f747970652e676f6f676c65617069732e636f6d2f617a7572652e776562"
    "7075627375622e546573744d65737361676512020801"
)


def upstream(kind: str, **fields: Any) -> bytes:
    """Return a message of a client; `kind` is its name in the schema without "_message"."""
    return bytes(Upstream(**{f"{kind}_message": fields}).SerializeToString())


def read(frame: Frame | None) -> Any:
    """Return a message of the service without its envelope."""
    assert frame is not None
    assert not frame.is_text
    return read_bytes(frame.data)


def read_bytes(data: bytes) -> Any:
    envelope = Downstream.FromString(data)
    return getattr(envelope, envelope.WhichOneof("kind"))
