"""Tests of stream_timers.py, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

from virtual_time import run
from webpubsub_emulator.effects import ForgetStream, WatchStream
from webpubsub_emulator.stream_timers import StreamTimers

WATCH = WatchStream("chat", "c", "s", 1_000)


def expiries(steps: Callable[[StreamTimers], Awaitable[None]]) -> list[tuple[float, str]]:
    """Return when which streams expired, in the 10 s after these steps."""
    expired = list[tuple[float, str]]()

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        timers = StreamTimers(
            lambda hub, connection, stream: expired.append((loop.time(), hub + connection + stream))
        )
        await steps(timers)
        await asyncio.sleep(10)
        timers.close()

    run(watch())
    return [(round(seconds, 3), name) for seconds, name in expired]


def test_a_stream_expires_once() -> None:
    async def steps(timers: StreamTimers) -> None:
        timers.run(WATCH)

    assert expiries(steps) == [(1.0, "chatcs")]


def test_activity_moves_the_deadline() -> None:
    async def steps(timers: StreamTimers) -> None:
        for _ in range(3):
            timers.run(WATCH)
            await asyncio.sleep(0.9)

    assert expiries(steps) == [(2.8, "chatcs")]


def test_a_stream_that_ended_does_not_expire() -> None:
    """A new one with its id has a time of its own, which may be shorter."""

    async def steps(timers: StreamTimers) -> None:
        timers.run(WATCH)
        timers.run(ForgetStream("c", "s"))
        timers.run(ForgetStream("c", "s"))
        timers.run(WatchStream("chat", "c", "s", 500))

    assert expiries(steps) == [(0.5, "chatcs")]


def test_nothing_expires_after_close() -> None:
    async def steps(timers: StreamTimers) -> None:
        timers.run(WATCH)
        timers.close()

    assert expiries(steps) == []
