"""Message data, WebSocket messages, and their limits."""

import struct
from dataclasses import dataclass, field
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
    ttl_seconds: int = 0  # how long it may wait for a client; 0 is for ever


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


GroupState: TypeAlias = tuple[tuple[str, str], ...]  # the entries of a client's dictionary


@dataclass(frozen=True, slots=True)
class MemberState:
    """The state of one member of a group. `state` is None if it was cleared."""

    connection_id: str
    user_id: str | None
    state: GroupState | None
    updated_at: int  # milliseconds since 1970


@dataclass(frozen=True, slots=True)
class MemberStates:
    """States of members of a group: all of them in a snapshot, else the ones that changed."""

    items: tuple[MemberState, ...]
    is_snapshot: bool


@dataclass(slots=True, eq=False)
class Lifetime:
    """The time to live of a message, shared by its frames. The hub's caller ends it."""

    seconds: int
    is_over: bool = False

    def end(self) -> None:
        self.is_over = True


@dataclass(slots=True)
class Frame:
    """One whole WebSocket message, encoded: UTF-8 text unless `is_text` is false."""

    data: bytes
    is_text: bool = True
    lifetime: Lifetime | None = field(default=None, compare=False)
    _wire: bytes = field(default=b"", repr=False, compare=False)

    @property
    def is_expired(self) -> bool:
        """Whether the frame must not be sent any more."""
        return self.lifetime is not None and self.lifetime.is_over

    @property
    def wire(self) -> bytes:
        """The bytes on the wire: a header and the data (RFC 6455, section 5.2), made once."""
        if not self._wire:
            self._wire = _header(len(self.data), self.is_text) + self.data
        return self._wire


def _header(length: int, is_text: bool) -> bytes:
    """Return the header of a final, unmasked frame."""
    first = 0x81 if is_text else 0x82
    if length < 126:
        return bytes((first, length))
    if length < 65536:
        return struct.pack("!BBH", first, 126, length)
    return struct.pack("!BBQ", first, 127, length)
