"""The parts of WebSocket (RFC 6455) that light clients and a bare server need. Does no I/O."""

import base64
import hashlib

TEXT = 1
CLOSE = 8
PING = 9
PONG = 10

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key: bytes) -> bytes:
    """Return the Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def server_frame(payload: bytes) -> bytes:
    """Return a text message in one frame, as a server sends it."""
    return bytes([0x80 | TEXT]) + _length(payload, 0) + payload


def client_frame(opcode: int, payload: bytes) -> bytes:
    """Return a message in one frame, as a client sends it."""
    # Clients must mask (section 5.3). A mask of zeros is valid and leaves the payload unchanged.
    return bytes([0x80 | opcode]) + _length(payload, 0x80) + bytes(4) + payload


def _length(payload: bytes, mask_bit: int) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([mask_bit | size])
    if size < 65_536:
        return bytes([mask_bit | 126]) + size.to_bytes(2)
    return bytes([mask_bit | 127]) + size.to_bytes(8)


def take_frames(received: bytearray) -> list[tuple[int, bytes]]:
    """Remove the complete frames of a server and return the opcode and payload of each."""
    frames = []
    start = 0
    while (found := _payload_range(received, start)) is not None:
        begin, end = found
        frames.append((received[start] & 0x0F, bytes(received[begin:end])))
        start = end
    del received[:start]
    return frames


def _payload_range(received: bytearray, start: int) -> tuple[int, int] | None:
    """Return begin and end of the payload of the frame at `start`, or None if it is incomplete."""
    available = len(received) - start
    if available < 2:
        return None
    size = received[start + 1] & 0x7F
    begin = start + 2
    if size > 125:
        begin += 2 if size == 126 else 8
        size = int.from_bytes(received[start + 2 : begin])
    end = begin + size
    # If the length itself is incomplete, `size` is too small, but `begin` is out of range.
    return (begin, end) if max(begin, end) <= len(received) else None
