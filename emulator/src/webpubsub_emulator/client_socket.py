"""One client's WebSocket: frames are written at once, or queued while the client is slow."""

import asyncio
import sys

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from webpubsub_emulator.frame_queue import FrameQueue
from webpubsub_emulator.messages import MESSAGE_LIMIT, Frame

# How long a client may take to read its last frames before its TCP connection is aborted.
CLOSE_SECONDS = 10.0

# The first byte of a control frame (RFC 6455, section 5.2).
_PING, _PONG = 0x89, 0x8A


class SlowClientError(Exception):
    """More frames are queued for the client than allowed."""


def new_websocket(subprotocol: str | None) -> web.WebSocketResponse:
    """Return a WebSocket that answers this subprotocol, whatever the client offered."""
    websocket = web.WebSocketResponse(
        protocols=[subprotocol] if subprotocol else [],
        # With compression a broadcast would be encoded once for each client.
        compress=False,
        # aiohttp refuses messages of this size and above.
        max_msg_size=MESSAGE_LIMIT + 1,
        # Keeps aiohttp from waiting for a slow client. ClientSocket does that.
        writer_limit=sys.maxsize,
        # The reader has to see pings and pongs (keep_alive.py).
        autoping=False,
    )
    if subprotocol:
        websocket.headers["Sec-WebSocket-Protocol"] = subprotocol
    return websocket


class ClientSocket:
    """A WebSocket to which sending never waits.

    A frame is written at once if the transport has room. Otherwise it is queued, and a task
    writes the queue. Frames that are sent before the WebSocket is open are queued too.
    """

    __slots__ = (
        *("hub", "_request", "_queue", "_closing", "is_gone", "_pause", "_task", "_deadline"),
        *("is_silent", "_websocket", "_writer", "_transport", "_room"),
    )

    def __init__(self, hub: str, request: web.BaseRequest) -> None:
        self.hub = hub
        self._request = request
        self._queue: FrameQueue | None = FrameQueue()
        self._closing: tuple[int, bytes] | None = None
        self.is_gone = False  # nothing is sent any more, and what is received is ignored
        self.is_silent = False  # nothing came since the last ping; the reader sets it to false
        self._pause: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._websocket: web.WebSocketResponse
        self._writer: AbstractStreamWriter
        self._transport: asyncio.WriteTransport
        self._room: int

    async def open(self, websocket: web.WebSocketResponse) -> None:
        """Shake hands and write the queue. Raises ConnectionError if the client is gone."""
        writer = await websocket.prepare(self._request)
        transport = self._request.transport
        if transport is None:
            raise ConnectionResetError("The client has gone.")
        self._websocket, self._writer, self._transport = websocket, writer, transport
        _, self._room = self._transport.get_write_buffer_limits()
        self._flush()
        if self._queue is not None or self._closing is not None:
            self._task = asyncio.create_task(self._write_rest())

    def send(self, frame: Frame) -> None:
        """Write or queue a frame. Raises SlowClientError if too much is queued."""
        if self.is_gone or self._closing is not None:
            return
        if self._queue is None:
            if self._transport.get_write_buffer_size() <= self._room:
                self._write(frame)
                return
            self._queue = FrameQueue()
            self._task = asyncio.create_task(self._write_rest())
        self._queue.append(frame)
        if self._queue.is_overfull:
            raise SlowClientError

    def close(self, code: int, reason: str) -> None:
        """Close after the frames queued so far, or abort if the client does not read them.

        Only the first call has an effect.
        """
        if self.is_gone or self._closing is not None:
            return
        self._closing = (code, reason.encode())
        self._deadline = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._abort)
        if self._queue is None:
            self._task = asyncio.create_task(self._write_rest())

    def ping(self) -> bool:
        """Send a WebSocket ping. Return false if nothing came since the last one.

        A client that is slow, or whose frames are not read now, is neither pinged nor judged.
        """
        if self._queue is not None or self._pause is not None or self._closing is not None:
            self.is_silent = False
            return True
        if self.is_silent:
            return False
        self.is_silent = True
        self._write_control(_PING, b"")
        return True

    def pong(self, data: bytes) -> None:
        """Answer a WebSocket ping of the client."""
        if self._closing is None:  # no frame may follow the close frame
            self._write_control(_PONG, data)

    def drop(self) -> None:
        """End the TCP connection without another frame."""
        self._retire()
        self._abort()

    def _retire(self) -> None:
        self.is_gone = True
        self.resume()
        if self._deadline is not None:
            self._deadline.cancel()

    def pause(self) -> None:
        """Make `readable` wait."""
        if self._pause is None:
            self._pause = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """Let `readable` return."""
        if self._pause is not None and not self._pause.done():
            self._pause.set_result(None)
        self._pause = None

    async def readable(self) -> None:
        """Wait until the next frame may be read; after `close`, until the WebSocket is closed."""
        if self._pause is not None:
            await self._pause
        if self._closing is not None and self._task is not None:
            await asyncio.wait([self._task])

    async def finish(self) -> None:
        """End every task of this socket."""
        self._retire()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    def _flush(self) -> None:
        while self._queue and self._transport.get_write_buffer_size() <= self._room:
            frame = self._queue.popleft()
            if not frame.is_expired:
                self._write(frame)
        if not self._queue:
            self._queue = None

    async def _write_rest(self) -> None:
        try:
            while self._queue is not None and not self.is_gone:
                await self._writer.drain()
                self._flush()
            if self._closing is not None and not self.is_gone:
                code, reason = self._closing
                await self._websocket.close(code=code, message=reason)
        except ConnectionError:
            return  # The reader gets the same error and ends the connection.

    def _write(self, frame: Frame) -> None:
        # Not aiohttp's `send_frame`, which makes the header and a coroutine for each client.
        if not self._transport.is_closing():
            self._transport.write(frame.wire)

    def _write_control(self, opcode: int, data: bytes) -> None:
        # Not shared with _write, which every message to every client calls.
        if not self._transport.is_closing():
            self._transport.write(bytes((opcode, len(data))) + data)
