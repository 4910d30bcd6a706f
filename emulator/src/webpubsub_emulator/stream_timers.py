"""The idle timeouts of streams."""

import asyncio
from collections.abc import Callable

from webpubsub_emulator.effects import ForgetStream, StreamEffect


class StreamTimers:
    """Calls `expire` with hub, connection id and stream id of each stream that was idle.

    A stream has one timer, which looks at its deadline when it runs. So a fragment only moves the
    deadline.
    """

    def __init__(self, expire: Callable[[str, str, str], None]) -> None:
        self._expire = expire
        self._deadlines: dict[tuple[str, str], float] = {}
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}

    def run(self, effect: StreamEffect) -> None:
        """Carry out an effect."""
        key = (effect.connection_id, effect.stream_id)
        if isinstance(effect, ForgetStream):
            self._forget(key)
            return
        loop = asyncio.get_running_loop()
        self._deadlines[key] = deadline = loop.time() + effect.ms / 1000
        if key not in self._timers:
            self._timers[key] = loop.call_at(deadline, self._check, effect.hub, key)

    def close(self) -> None:
        """Forget every stream."""
        for key in tuple(self._timers):
            self._forget(key)

    def _check(self, hub: str, key: tuple[str, str]) -> None:
        loop, deadline = asyncio.get_running_loop(), self._deadlines[key]
        if loop.time() < deadline:
            self._timers[key] = loop.call_at(deadline, self._check, hub, key)
        else:
            self._forget(key)
            self._expire(hub, *key)

    def _forget(self, key: tuple[str, str]) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
            del self._deadlines[key]
