"""One client's WebSocket: its queue of outgoing frames and the task that writes them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from localdev.emulator.messages import Frame

# Differs from Azure: frames are counted, not their bytes (16 MiB there).
QUEUE_LIMIT = 1_000
"""How many frames wait for a client before it counts as too slow."""
CLOSE_SECONDS = 10.0
"""How long a client has to take its last frames before its TCP connection is aborted."""


class SlowClientError(Exception):
    """The client does not take its frames as fast as they come."""


@dataclass(frozen=True, slots=True)
class _CloseFrame:
    code: int
    reason: str


class ClientSocket:
    """Frames go into the queue at once and to the client when it takes them.

    `abort` ends the TCP connection. Frames may be queued before the WebSocket is open; the
    owner starts `write` then, once, as a task.
    """

    def __init__(self, hub: str, abort: Callable[[], None]) -> None:
        self.hub = hub
        self.readable = asyncio.Event()
        """Whether the owner may read on."""
        self.readable.set()
        self._abort = abort
        self._queue: asyncio.Queue[Frame | _CloseFrame] = asyncio.Queue()
        self._is_gone = False
        self._deadline: asyncio.TimerHandle | None = None

    def send(self, frame: Frame) -> None:
        """Queue a frame; SlowClientError if too many wait already."""
        if self._is_gone:
            return
        if self._queue.qsize() >= QUEUE_LIMIT:
            raise SlowClientError
        self._queue.put_nowait(frame)

    def close(self, code: int, reason: str) -> None:
        """Close after the frames queued so far, or abort if the client does not take them."""
        self._queue.put_nowait(_CloseFrame(code, reason))
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(CLOSE_SECONDS, self._abort)

    def drop(self) -> None:
        """End the TCP connection without another frame."""
        self.retire()
        self._abort()

    def retire(self) -> None:
        """The client is gone; ignore frames from now on."""
        self._is_gone = True
        if self._deadline is not None:
            self._deadline.cancel()

    async def write(self, websocket: web.WebSocketResponse) -> None:
        """Write frames until a close, or until the client is gone."""
        while True:
            item = await self._queue.get()
            if isinstance(item, _CloseFrame):
                await websocket.close(code=item.code, message=item.reason.encode())
                return
            kind = WSMsgType.TEXT if item.is_text else WSMsgType.BINARY
            try:
                await websocket.send_frame(item.data, kind)
            except ConnectionError:
                return  # The reader sees the same and ends the connection.
