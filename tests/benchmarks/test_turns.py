"""Turns, and the load that a turn makes."""

import asyncio
from functools import partial

from benchmarks.loads import run_load
from benchmarks.turns import FLOOR, SAMPLE, USHER, compare, take_turns


async def test_every_round_begins_with_another_turn() -> None:
    """The warm-up round is not in the results."""
    taken: list[str] = []

    async def take(name: str) -> str:
        taken.append(name)
        return name

    results = await take_turns({name: partial(take, name) for name in "abc"}, 3, lambda text: None)
    assert "".join(taken) == "abc" + "bca" + "cab" + "abc"
    assert results == {"a": ["a"] * 3, "b": ["b"] * 3, "c": ["c"] * 3}


def test_compare_measures_usher_against_floor_and_sample() -> None:
    figure = compare("CPU", "us", {FLOOR: [1], USHER: [2], SAMPLE: [3]}, lambda load: load * 10.0)
    assert (figure.floor, figure.measured, figure.sample) == ([10.0], [20.0], [30.0])


async def test_a_load_respects_the_limit_in_flight() -> None:
    """Every number is called once."""
    numbers, flying, most = list[int](), 0, 0

    async def call(number: int) -> None:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        numbers.append(number)
        await asyncio.sleep(0)
        flying -= 1

    load = await run_load(call, 7, 3)
    assert (sorted(numbers), most) == (list(range(7)), 3)
    assert 0 < load.p50 <= load.p99
