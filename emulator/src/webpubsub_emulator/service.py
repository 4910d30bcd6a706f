"""The hubs of one resource and the open sockets: carries out the effects of the hubs."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeAlias

from webpubsub_emulator.client_socket import ClientSocket, SlowClientError
from webpubsub_emulator.effects import (
    Ask,
    Close,
    Effect,
    Expire,
    ForgetStream,
    Notify,
    OtherEffect,
    PauseReading,
    ResumeReading,
    Retain,
    Send,
    WatchStream,
    Withdraw,
)
from webpubsub_emulator.events import ConnectAnswer, Event, Refusal
from webpubsub_emulator.faults import Faults
from webpubsub_emulator.handlers import EventHandlers
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.hub_settings import NO_SETTINGS, AllHubSettings
from webpubsub_emulator.keep_alive import KeepAlive
from webpubsub_emulator.list_history import ListHistory
from webpubsub_emulator.messages import Frame
from webpubsub_emulator.stream_timers import StreamTimers

# How long a reliable client's connection outlives its socket (client-spec, "Reliable").
RETENTION_SECONDS = 30.0

_log = logging.getLogger("emulator")

_Deliver: TypeAlias = Callable[[Event, asyncio.Event], Coroutine[Any, Any, None]]

_SLOW_CLIENT = "The client is too slow to take its messages."


class Service:
    """The state that REST calls and client sockets share."""

    def __init__(
        self,
        handlers: EventHandlers,
        *,
        retention_seconds: float = RETENTION_SECONDS,
        faults: Faults | None = None,
        record: bool = False,
        settings: AllHubSettings = NO_SETTINGS,
        connection_limit: int | None = None,
    ) -> None:
        self.lists = ListHistory(faults or Faults(), time.time)
        self._record = record
        self._connection_limit = connection_limit
        self._handlers = handlers
        self._retention_seconds = retention_seconds
        self._hubs: dict[str, Hub] = {}
        self._sockets: dict[str, ClientSocket] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # By connection id, and invocation id or None for the user event that other frames await.
        self._asking: dict[tuple[str, str | None], asyncio.Task[None]] = {}
        self._starts: dict[str, list[asyncio.Event]] = {}
        self._retentions: dict[str, asyncio.TimerHandle] = {}
        self._stream_timers = StreamTimers(self._stream_idle)
        self._keep_alive = KeepAlive(self._sockets, settings)
        self._is_closed = False

    def hub(self, name: str) -> Hub:
        """Return the hub with this name, in any case. Hubs need no declaration."""
        key = name.lower()
        hub = self._hubs.get(key)
        if hub is None:
            hub = self._hubs[key] = Hub(key, partial(self.lists.note, key))
            hub.sending.record = [] if self._record else None
            hub.group_states.clock = _milliseconds
            hub.memberships.is_wanted = lambda name, group: self._handlers.want(key, name, group)
        return hub

    def hubs(self) -> list[Hub]:
        """Return the hubs that were used so far, sorted by name."""
        return [self._hubs[name] for name in sorted(self._hubs)]

    @property
    def is_full(self) -> bool:
        """Whether no further client may connect. Clients that connect now are counted too."""
        limit = self._connection_limit
        return limit is not None and sum(hub.occupied for hub in self._hubs.values()) >= limit

    def attach(self, connection_id: str, socket: ClientSocket) -> None:
        """Carry out effects for this connection on this socket, and drop an earlier one."""
        earlier = self._sockets.get(connection_id)
        if earlier is not None:
            earlier.drop()
        self._sockets[connection_id] = socket
        self._keep_alive.watch(socket.hub)

    def detach(self, connection_id: str, socket: ClientSocket) -> None:
        """Forget a socket that is gone. Later effects for the connection are dropped.

        Does nothing if the connection has another socket by now.
        """
        if self._sockets.get(connection_id) is socket:
            self.run(self.hub(socket.hub).client_lost(connection_id))
            del self._sockets[connection_id]

    async def connect(self, event: Event) -> ConnectAnswer | Refusal:
        """Ask the app whether a client may connect."""
        # The first event of a connection has no earlier event to wait for, and it is answered
        # before the second one exists.
        return await self._handlers.connect(event, asyncio.Event())

    def run(self, effects: Sequence[Effect]) -> None:
        """Carry out the effects of a hub without waiting, so that inputs cannot overtake others."""
        if self._is_closed:
            return
        for effect in effects:
            # Not a case below, because to match a class takes longer than all of `_send`.
            if isinstance(effect, Send):
                self._send(effect.connection_id, effect.frame)
            else:
                self._run_other(effect)

    def _run_other(self, effect: OtherEffect) -> None:
        match effect:
            case Ask(event, invocation_id):
                task = self._spawn(event, partial(self._ask, invocation_id))
                self._asking[event.connection_id, invocation_id] = task
            case Notify(event):
                self._spawn(event, self._handlers.notify)
            case Withdraw(connection_id, invocation_id):
                self._withdraw(connection_id, invocation_id)
            case Retain(hub, connection_id, drop):
                self._retain(hub, connection_id, drop)
            case Expire(lifetime):
                asyncio.get_running_loop().call_later(lifetime.seconds, lifetime.end)
            case WatchStream() | ForgetStream():
                self._stream_timers.run(effect)
            case _:
                self._run_on_socket(effect)

    def _run_on_socket(self, effect: Close | PauseReading | ResumeReading) -> None:
        socket = self._sockets.get(effect.connection_id)
        if socket is None:
            return
        match effect:
            case Close(_, code, reason):
                socket.close(code, reason)
            case PauseReading():
                socket.pause()
            case ResumeReading():
                socket.resume()

    def _withdraw(self, connection_id: str, invocation_id: str | None) -> None:
        self._asking.pop((connection_id, invocation_id)).cancel()
        if invocation_id is None:
            # The reader may be paused until the answer, and must see that the connection has ended.
            self._run_on_socket(ResumeReading(connection_id))

    def _retain(self, hub: str, connection_id: str, drop: int) -> None:
        def expire() -> None:
            del self._retentions[connection_id]
            self.run(self.hub(hub).recovery.expire(connection_id, drop))

        earlier = self._retentions.get(connection_id)
        if earlier is not None:
            earlier.cancel()
        loop = asyncio.get_running_loop()
        self._retentions[connection_id] = loop.call_later(self._retention_seconds, expire)

    def _stream_idle(self, hub: str, connection_id: str, stream_id: str) -> None:
        self.run(self.hub(hub).stream_idle(connection_id, stream_id))

    def _send(self, connection_id: str, frame: Frame) -> None:
        socket = self._sockets.get(connection_id)
        if socket is None:
            return
        try:
            socket.send(frame)
        except SlowClientError:
            # No close frame: it would wait behind the frames that the client does not read.
            _log.warning("slow client dropped: connection=%s", connection_id)
            # Not now, because the effects of another input are still being carried out.
            asyncio.get_running_loop().call_soon(self._give_up, socket.hub, connection_id)
            socket.drop()

    def _give_up(self, hub: str, connection_id: str) -> None:
        self.run(self.hub(hub).client_dropped(connection_id, _SLOW_CLIENT))

    async def _ask(self, invocation_id: str | None, event: Event, started: asyncio.Event) -> None:
        hub, connection_id = self.hub(event.hub), event.connection_id
        if invocation_id is None:
            answer = await self._handlers.ask(event, started)
            effects = partial(hub.event_answered, connection_id, answer)
        else:
            outcome = await self._handlers.invoke(event, started)
            effects = partial(hub.invocation_answered, connection_id, invocation_id, outcome)
        del self._asking[connection_id, invocation_id]
        self.run(effects())

    def _spawn(self, event: Event, deliver: _Deliver) -> asyncio.Task[None]:
        """Deliver in a task, once the connection's earlier events are on their way.

        Their answers are not awaited. As in Azure, "disconnected" may reach an app that is still
        handling "connected", but it never arrives first.
        """
        earlier = [
            start for start in self._starts.get(event.connection_id, ()) if not start.is_set()
        ]
        started = asyncio.Event()
        self._starts[event.connection_id] = [*earlier, started]
        task = asyncio.create_task(_deliver_after(earlier, deliver, event, started))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._delivered(done, event, started))
        return task

    def _delivered(self, task: asyncio.Task[None], event: Event, started: asyncio.Event) -> None:
        # Needed for a task that was cancelled before it ran.
        started.set()
        self._tasks.discard(task)
        if all(start.is_set() for start in self._starts.get(event.connection_id, ())):
            self._starts.pop(event.connection_id, None)
        if not task.cancelled() and task.exception() is not None:
            _log.error("delivery crashed: event=%s", event.name, exc_info=task.exception())

    def drop(self, connection_id: str) -> bool:
        """Abort the connection's socket without a close frame. Return false if it has none."""
        socket = self._sockets.get(connection_id)
        if socket is not None:
            socket.drop()
        return socket is not None

    def restart(self) -> None:
        """Behave like a service that restarts: abort all sockets and forget all connections.

        Events on their way are cancelled, and no disconnected events are sent. The names of the
        hubs are kept.
        """
        # Differs from Azure: a client whose connect event is running is accepted afterwards.
        for hub in self._hubs.values():
            hub.forget_everyone()
        self.lists.clear()
        for socket in self._sockets.values():
            socket.drop()
        for timer in self._retentions.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        self._retentions.clear()
        self._asking.clear()
        self._stream_timers.close()

    async def settle(self, seconds: float) -> None:
        """Wait until the deliveries that run now have ended, or for that time."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def close(self) -> None:
        """Close every client with 1001 and cancel every event."""
        # Differs from Azure: no disconnected events when the emulator stops.
        self._is_closed = True
        for socket in self._sockets.values():
            socket.close(1001, "The emulator is stopping.")
            socket.resume()
        for timer in self._retentions.values():
            timer.cancel()
        self._stream_timers.close()
        self._keep_alive.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


async def _deliver_after(
    earlier: list[asyncio.Event], deliver: _Deliver, event: Event, started: asyncio.Event
) -> None:
    for start in earlier:
        await start.wait()
    await deliver(event, started)
