"""Message data, WebSocket messages, and their limits."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from webpubsub_emulator.metadata import Metadata

MESSAGE_LIMIT = 1024 * 1024  # bytes of a message, in either direction (terms: 1 MB per message)
TTL_MAX_SECONDS = 300

DataType: TypeAlias = Literal["text", "json", "binary", "protobuf"]


@dataclass(frozen=True, slots=True)
class Payload:
    """Message data as its original bytes: UTF-8 text, JSON text, or anything else."""

    data_type: DataType
    content: bytes
    metadata: Metadata = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole WebSocket message, encoded: UTF-8 text unless `is_text` is false."""

    data: bytes
    is_text: bool = True
