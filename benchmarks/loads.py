"""Calls one after the other or some at a time, and what they took. What is called is not known."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What a number of calls took: CPU in us for each of them, p50 and p99 of the delays in ms."""

    cpu: float
    p50: float
    p99: float


async def run_load(call: Callable[[int], Awaitable[None]], count: int, in_flight: int) -> Load:
    """Calls with the numbers from 0, never more than so many at once; two or more in all.

    The CPU time is that of this process.
    """
    numbers, delays = iter(range(count)), list[float]()

    async def go_on() -> None:
        for number in numbers:
            started = time.perf_counter()
            await call(number)
            delays.append(time.perf_counter() - started)

    before = time.process_time()
    await asyncio.gather(*(go_on() for _ in range(in_flight)))
    used = time.process_time() - before
    percentiles = statistics.quantiles(delays, n=100, method="inclusive")
    return Load(used / count * 1e6, percentiles[49] * 1e3, percentiles[98] * 1e3)
