"""Make calls one at a time or several at a time, and measure them."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadResult:
    """CPU time per call in us; median and 99th percentile of the delays in ms."""

    cpu: float
    p50: float
    p99: float


async def run_load(
    call: Callable[[int], Awaitable[None]], count: int, in_flight: int
) -> LoadResult:
    """Call with the numbers from 0 to `count` - 1, at most `in_flight` at a time.

    `count` must be at least 2. The CPU time is the whole process's.
    """
    numbers, delays = iter(range(count)), list[float]()

    async def call_in_turn() -> None:
        for number in numbers:
            started = time.perf_counter()
            await call(number)
            delays.append(time.perf_counter() - started)

    before = time.process_time()
    await asyncio.gather(*(call_in_turn() for _ in range(in_flight)))
    used = time.process_time() - before
    percentiles = statistics.quantiles(delays, n=100, method="inclusive")
    return LoadResult(used / count * 1e6, percentiles[49] * 1e3, percentiles[98] * 1e3)
