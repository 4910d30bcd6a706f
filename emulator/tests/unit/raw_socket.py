"""A WebSocket client that sends any frames, and reads only when a test asks for it."""

import asyncio
import struct
from typing import Self

from yarl import URL

TEXT, CLOSE = 0x1, 0x8
FIN = 0x80


class RawSocket:
    """One client. Its frames are masked with zeros, which keeps their bytes unchanged."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, url: str, subprotocol: str) -> Self:
        """Return an open client."""
        parts = URL(url)
        reader, writer = await asyncio.open_connection(parts.host, parts.port)
        writer.write(
            f"GET {parts.raw_path_qs} HTTP/1.1\r\nHost: {parts.authority}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return cls(reader, writer)

    def send(self, first_byte: int, payload: bytes) -> None:
        """Send a frame; `first_byte` has FIN, the reserved bits and the opcode."""
        assert len(payload) < 126
        self._writer.write(bytes([first_byte, 0x80 | len(payload)]) + bytes(4) + payload)

    async def read(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame."""
        first, length = await self._reader.readexactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self._reader.readexactly(8))
        return first & 0xF, await self._reader.readexactly(length)

    async def closing(self) -> int:
        """Return the code of the close frame, which must be the next frame."""
        opcode, payload = await self.read()
        assert opcode == CLOSE, (opcode, payload)
        code: int = struct.unpack("!H", payload[:2])[0]
        return code

    def abort(self) -> None:
        self._writer.transport.abort()
