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
class ErrorDetail:
    """Why something failed, as clients get it."""

    name: str
    message: str | None = None
    user_code: str | None = None  # of the application that ended a stream with UserError


@dataclass(frozen=True, slots=True)
class StreamPart:
    """The place of a message in a stream. `sequence_id` counts the fragments from 1."""

    stream_id: str
    sequence_id: int
    is_end: bool = False
    error: ErrorDetail | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole WebSocket message, encoded: UTF-8 text unless `is_text` is false."""

    data: bytes
    is_text: bool = True
