"""Run Usher, its floor and the usual sample one after the other in each round."""

from collections.abc import Awaitable, Callable, Mapping

from benchmarks.figures import Figure, Goal

FLOOR = "floor"
USHER = "usher"
SAMPLE = "sample"


async def take_turns[T](
    turns: Mapping[str, Callable[[], Awaitable[T]]], rounds: int, say: Callable[[str], None]
) -> dict[str, list[T]]:
    """Return the result of each turn in each round, after a warm-up round."""
    results: dict[str, list[T]] = {name: [] for name in turns}
    for number in range(rounds + 1):
        say(f"round {number} of {rounds}" if number else "warm-up")
        for name in _rotate(list(turns), number):
            result = await turns[name]()
            if number:
                results[name].append(result)
    return results


def _rotate(names: list[str], number: int) -> list[str]:
    """Start each round with another turn, so that no turn always follows the same one."""
    first = number % len(names)
    return names[first:] + names[:first]


def compare[T](
    name: str,
    unit: str,
    results: Mapping[str, list[T]],
    read: Callable[[T], float],
    goal: Goal | None = None,
) -> Figure:
    """Make a figure of the results of floor, Usher and sample."""
    floor, usher, sample = ([read(each) for each in results[one]] for one in (FLOOR, USHER, SAMPLE))
    return Figure(name, unit, floor, usher, goal, sample)
