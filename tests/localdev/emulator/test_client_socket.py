"""Tests of localdev/emulator/client_socket.py, with a stand-in for aiohttp's WebSocket."""

import asyncio
from typing import cast

import pytest
from aiohttp import WSMsgType, web

from localdev.emulator import client_socket
from localdev.emulator.client_socket import QUEUE_LIMIT, ClientSocket, SlowClientError
from localdev.emulator.messages import Frame


class Wire:
    """Writes down what a client would get; with `blocked`, the client takes nothing."""

    def __init__(self, blocked: bool = False) -> None:
        self.written: list[tuple[object, object]] = []
        self.blocked = blocked

    async def send_frame(self, data: bytes, kind: WSMsgType) -> None:
        if self.blocked:
            await asyncio.Event().wait()
        self.written.append((kind, data))

    async def close(self, *, code: int, message: bytes) -> None:
        self.written.append((code, message))

    def as_websocket(self) -> web.WebSocketResponse:
        return cast("web.WebSocketResponse", self)


async def test_frames_are_written_in_order() -> None:
    """Frames queued before and after the start arrive in order, then the close frame."""
    wire, socket = Wire(), ClientSocket("chat", lambda: None)
    socket.send(Frame(b"1"))
    writer = asyncio.create_task(socket.write(wire.as_websocket()))
    await asyncio.sleep(0)
    socket.send(Frame(b"2", is_text=False))
    socket.close(1000, "bye")
    await writer
    socket.retire()
    assert wire.written == [(WSMsgType.TEXT, b"1"), (WSMsgType.BINARY, b"2"), (1000, b"bye")]


async def test_a_full_queue_is_an_error() -> None:
    """A client that takes nothing may have 1,000 frames waiting, and not one more."""
    socket = ClientSocket("chat", lambda: None)
    writer = asyncio.create_task(socket.write(Wire(blocked=True).as_websocket()))
    socket.send(Frame(b"being written"))
    await asyncio.sleep(0)
    for _ in range(QUEUE_LIMIT):
        socket.send(Frame(b"x"))
    with pytest.raises(SlowClientError):
        socket.send(Frame(b"x"))
    writer.cancel()


async def test_a_dropped_client_is_aborted_and_ignored() -> None:
    """After a drop the TCP connection is gone, and no frame can be too much."""
    aborted: list[bool] = []
    socket = ClientSocket("chat", lambda: aborted.append(True))
    socket.drop()
    for _ in range(QUEUE_LIMIT + 1):
        socket.send(Frame(b"x"))
    assert aborted == [True]


async def test_a_close_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not take its last frames in time is aborted."""
    monkeypatch.setattr(client_socket, "CLOSE_SECONDS", 0.01)
    aborted = asyncio.Event()
    socket = ClientSocket("chat", aborted.set)
    socket.send(Frame(b"x"))
    writer = asyncio.create_task(socket.write(Wire(blocked=True).as_websocket()))
    socket.close(1000, "")
    await asyncio.wait_for(aborted.wait(), 5)
    writer.cancel()
