"""Tests of keep_alive.py and of pings in client_socket.py, with a clock that jumps."""

import asyncio
from typing import cast

import pytest
from aiohttp import WSMsgType

from unit.test_client_socket import Wire, opened
from virtual_time import run
from webpubsub_emulator.client_socket import ClientSocket
from webpubsub_emulator.hub_settings import HubSettings
from webpubsub_emulator.keep_alive import KeepAlive
from webpubsub_emulator.messages import Frame

PING = (WSMsgType.PING, b"")
SETTINGS = {"chat": HubSettings(keep_alive_seconds=5)}


async def open_socket() -> tuple[Wire, ClientSocket]:
    wire = Wire()
    socket = wire.socket()
    await opened(wire, socket)
    return wire, socket


def test_only_a_client_that_answers_stays() -> None:
    async def two_clients() -> None:
        (well, answering), (dead, silent) = await open_socket(), await open_socket()
        keep_alive = KeepAlive({"a": answering, "b": silent}, SETTINGS)
        keep_alive.watch("chat")
        keep_alive.watch("chat")
        await asyncio.sleep(6)
        assert (well.written, dead.written) == ([PING], [PING])
        answering.is_silent = False
        await asyncio.sleep(5)
        assert (well.written, dead.written) == ([PING, PING], [PING])
        assert (well.aborted.is_set(), dead.aborted.is_set()) == (False, True)
        assert silent.is_gone
        keep_alive.close()
        await asyncio.sleep(60)
        assert well.written == [PING, PING]

    run(two_clients())


def test_each_hub_has_its_interval() -> None:
    async def other_hub() -> None:
        wire, socket = await open_socket()
        keep_alive = KeepAlive({"a": socket}, {"other": HubSettings(keep_alive_seconds=1)})
        keep_alive.watch("other")
        keep_alive.watch("chat")
        await asyncio.sleep(19)
        assert wire.written == []
        await asyncio.sleep(2)
        assert wire.written == [PING]
        keep_alive.close()

    run(other_hub())


@pytest.mark.parametrize("state", ["slow", "paused", "closing", "not open"])
async def test_a_client_that_cannot_answer_is_not_judged(state: str) -> None:
    wire = Wire()
    socket = wire.socket()
    if state != "not open":
        await opened(wire, socket)
        assert socket.ping()
    if state == "slow":
        wire.is_blocked = True
        socket.send(Frame(b"1"))
    if state == "paused":
        socket.pause()
    if state == "closing":
        socket.close(1000, "")
    assert socket.ping()
    assert socket.ping()
    assert wire.written.count(PING) <= 1
    await socket.finish()


async def test_a_pong_has_the_data_of_the_ping() -> None:
    wire, socket = await open_socket()
    socket.pong(b"x")
    wire.is_lost = True
    socket.pong(b"y")
    assert socket.ping()
    assert wire.written == cast("list[object]", [(WSMsgType.PONG, b"x")])
