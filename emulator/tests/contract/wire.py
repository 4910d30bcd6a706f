"""The wire format of protocol buffers without a schema: fields have numbers, not names.

So the statements about protobuf clients do not depend on anyone's schema, and need no package.
"""

from collections.abc import Iterator, Mapping
from typing import Any

VARINT, BYTES = 0, 2  # wire types (protobuf.dev, "Encoding")


def encode(message: Mapping[int, Any]) -> bytes:
    """Return a message. A value is a number, a text, bytes, or a message in turn."""
    return b"".join(_field(number, value) for number, value in message.items())


def find(data: bytes, *path: int) -> Any:
    """Return the number or the bytes at the end of a path of field numbers, or None."""
    found: Any = data
    for number in path:
        if found is None:
            return None
        found = dict(_fields(found)).get(number)
    return found


def _field(number: int, value: Any) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    content = encode(value) if isinstance(value, Mapping) else value
    content = content.encode() if isinstance(content, str) else content
    return _varint(number << 3 | BYTES) + _varint(len(content)) + bytes(content)


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        value, position = _read_varint(data, position)
        assert tag & 7 in (VARINT, BYTES), "no other types are in these messages"
        if tag & 7 == BYTES:
            position += value
            yield tag >> 3, data[position - value : position]
        else:
            yield tag >> 3, value


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
