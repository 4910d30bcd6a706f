"""An event loop with a clock that jumps, so that waits of seconds take no time in a test."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Moves its clock to the next timer instead of sleeping. For code without sockets."""

    def __init__(self) -> None:
        self._now = 0.0
        loop = self

        class Selector(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> list[Any]:
                loop._now += timeout or 0
                return super().select(0)

        super().__init__(Selector())

    def time(self) -> float:
        return self._now


def run(coroutine: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """Return the coroutine's result and the virtual seconds that it took."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        result = runner.run(coroutine)
        return result, runner.get_loop().time()
