"""Tests of client_socket.py, with a fake request, transport and WebSocket."""

import asyncio
from typing import cast

import pytest
from aiohttp import WSMsgType, web

from webpubsub_emulator import client_socket
from webpubsub_emulator.client_socket import ClientSocket, SlowClientError, new_websocket
from webpubsub_emulator.frame_queue import BYTES_LIMIT, FRAME_LIMIT
from webpubsub_emulator.messages import Frame

TEXT, BINARY = WSMsgType.TEXT, WSMsgType.BINARY


class Wire:
    """A fake request, transport, WebSocket and writer in one, which records what a client gets.

    With `is_blocked` the client reads nothing, and the transport has room for one byte.
    """

    def __init__(self) -> None:
        self.written: list[tuple[object, object]] = []
        self.is_blocked = False
        self.is_lost = False
        self.aborted = asyncio.Event()
        self.transport = self
        self._drained = asyncio.Event()

    def socket(self) -> ClientSocket:
        """Return a socket that is not open yet."""
        return ClientSocket("chat", cast("web.Request", self))

    def abort(self) -> None:
        self.aborted.set()

    async def prepare(self, request: object) -> "Wire":
        return self

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return 0, 1

    def get_write_buffer_size(self) -> int:
        return 2 if self.is_blocked else 0

    async def drain(self) -> None:
        if self.is_blocked:
            await self._drained.wait()

    def unblock(self) -> None:
        """Let the client read everything."""
        self.is_blocked = False
        self._drained.set()

    def is_closing(self) -> bool:
        return self.is_lost

    def write(self, data: bytes) -> None:
        """Record a frame whose header has two bytes."""
        assert not self.is_lost
        self.written.append((WSMsgType(data[0] & 0x0F), data[2:]))

    async def close(self, *, code: int, message: bytes) -> None:
        self.written.append((code, message))


async def opened(wire: Wire, socket: ClientSocket) -> None:
    await socket.open(cast("web.WebSocketResponse", wire))


async def test_a_frame_is_written_at_once() -> None:
    """Without a queue and without a task, while the client reads fast enough."""
    wire = Wire()
    socket = wire.socket()
    await opened(wire, socket)
    socket.send(Frame(b"1"))
    socket.send(Frame(b"2", is_text=False))
    assert wire.written == [(TEXT, b"1"), (BINARY, b"2")]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_frames_are_written_in_order() -> None:
    """Frames from before the opening come first, queued frames next and the close frame last."""
    wire = Wire()
    socket = wire.socket()
    socket.send(Frame(b"1"))
    await opened(wire, socket)
    wire.is_blocked = True
    socket.send(Frame(b"2"))
    socket.close(1000, "bye")
    socket.close(1001, "only the first counts")
    socket.send(Frame(b"too late"))
    await asyncio.sleep(0)
    assert wire.written == [(TEXT, b"1")]
    wire.unblock()
    await socket.readable()
    await socket.finish()
    assert wire.written == [(TEXT, b"1"), (TEXT, b"2"), (1000, b"bye")]


async def test_a_client_that_catches_up_is_written_to_at_once_again() -> None:
    """Queue and task end when the client has read everything."""
    wire = Wire()
    socket = wire.socket()
    await opened(wire, socket)
    wire.is_blocked = True
    socket.send(Frame(b"1"))
    wire.unblock()
    socket.send(Frame(b"2"))
    assert wire.written == []
    await asyncio.sleep(0)
    socket.send(Frame(b"3"))
    assert wire.written == [(TEXT, b"1"), (TEXT, b"2"), (TEXT, b"3")]
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_queue_does_not_overfill_the_transport() -> None:
    """The queue is written only while the transport has room."""
    wire = Wire()
    socket = wire.socket()
    wire.is_blocked = True
    socket.send(Frame(b"1"))
    await opened(wire, socket)
    assert wire.written == []
    await socket.finish()


@pytest.mark.parametrize(
    ("frame", "count"),
    [(Frame(b"x"), FRAME_LIMIT), (Frame(bytes(1024 * 1024)), BYTES_LIMIT // 1024**2)],
)
async def test_a_full_queue_is_an_error(frame: Frame, count: int) -> None:
    """1,000 frames or 16 MiB may be queued."""
    wire = Wire()
    socket = wire.socket()
    await opened(wire, socket)
    wire.is_blocked = True
    for _ in range(count):
        socket.send(frame)
    with pytest.raises(SlowClientError):
        socket.send(frame)
    await socket.finish()


async def test_a_close_comes_before_the_opening() -> None:
    """A connection that ends during the handshake is closed as soon as it is open."""
    wire = Wire()
    socket = wire.socket()
    socket.close(1000, "")
    await opened(wire, socket)
    await socket.readable()
    await socket.finish()
    assert wire.written == [(1000, b"")]


async def test_a_lost_client_is_no_error() -> None:
    """A broadcast goes on when one receiver has just gone."""
    wire = Wire()
    socket = wire.socket()
    await opened(wire, socket)
    wire.is_lost = True
    socket.send(Frame(b"1"))
    assert wire.written == []


async def test_a_dropped_client_is_aborted_and_ignored() -> None:
    """Its TCP connection is aborted, reading continues, and later frames are ignored."""
    wire = Wire()
    socket = wire.socket()
    socket.pause()
    reader = asyncio.create_task(socket.readable())
    await asyncio.sleep(0)
    socket.drop()
    for _ in range(FRAME_LIMIT + 1):
        socket.send(Frame(b"x"))
    await reader
    assert (wire.aborted.is_set(), socket.is_gone) == (True, True)


async def test_reading_pauses() -> None:
    """Nothing is read between pause and resume."""
    socket = Wire().socket()
    await socket.readable()
    socket.pause()
    reader = asyncio.create_task(socket.readable())
    await asyncio.sleep(0)
    assert not reader.done()
    socket.resume()
    await reader


async def test_a_close_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not read its last frames in time is aborted."""
    monkeypatch.setattr(client_socket, "CLOSE_SECONDS", 0.01)
    wire = Wire()
    socket = wire.socket()
    await opened(wire, socket)
    wire.is_blocked = True
    socket.send(Frame(b"x"))
    socket.close(1000, "")
    await asyncio.wait_for(wire.aborted.wait(), 60)
    await socket.finish()
    assert wire.written == []


def test_the_subprotocol_is_answered_whatever_was_offered() -> None:
    """A recovered client gets its first subprotocol, even if it did not offer the name again."""
    assert new_websocket("x").headers.get("Sec-WebSocket-Protocol") == "x"
    assert "Sec-WebSocket-Protocol" not in new_websocket(None).headers


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, "8100"),
        (125, "817d"),
        (126, "817e007e"),
        (65535, "817effff"),
        (65536, "817f0000000000010000"),
    ],
)
def test_the_header_of_a_frame_has_its_length(length: int, header: str) -> None:
    """RFC 6455, section 5.2, has three forms of the length."""
    frame = Frame(bytes(length))
    assert frame.wire == bytes.fromhex(header) + bytes(length)
