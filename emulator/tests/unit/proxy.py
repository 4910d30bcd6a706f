"""A TCP proxy to the emulator whose connections a test can cut."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Forwards bytes in both directions; an async context manager."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._lines: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        """End every connection without a close frame, with a reset on the side of the service.

        The client's side ends with an end of file, because the official client does not recover
        from a reset. The proxy still reads from the client, or the system would reset that side.
        """
        for client, service in self._lines:
            service.transport.abort()
            if client.can_write_eof() and not client.is_closing():
                with suppress(OSError):  # the client was quicker
                    client.write_eof()
        self._lines.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._target.hostname, self._target.port
        answers, service = await asyncio.open_connection(host, port)
        self._lines.append((writer, service))
        await asyncio.gather(_pass_on(reader, service), _pass_on(answers, writer))
        service.close()
        writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            if not writer.is_closing():
                writer.write(data)
    except ConnectionError:
        return
