"""What the pytest fixtures return: an emulator that any kind of test can use."""

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from webpubsub_emulator.faults import parse_fault
from webpubsub_emulator.handler_settings import SYSTEM_EVENTS
from webpubsub_emulator.journal import EventRecord
from webpubsub_emulator.loop_thread import LoopThread
from webpubsub_emulator.recording import ClientConnection, SentMessage
from webpubsub_emulator.server import Emulator

# A test does not wait for seconds until a delivery has failed for good.
RETRY_DELAYS = (0.01, 0.02, 0.04)
# How long deliveries may go on when a test has ended. An event handler in the test's own event
# loop cannot answer by then, so this is short.
SETTLE_SECONDS = 0.25
WAIT_SECONDS = 10.0
POLL_SECONDS = 0.01
SHOWN = 10  # messages in the text of a failure

_T = TypeVar("_T")


class EmulatorFixture:
    """An emulator in another thread. Every method may be called in any thread.

    Each method returns when its effect has happened, and none waits for the code under test,
    except `wait_for`.
    """

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread
        self._emulator = Emulator(retry_delays=RETRY_DELAYS, record=True)
        self._judged = 0  # how many event deliveries `take_failures` has seen
        self._expected: set[str] = set()
        self._expects_all = False
        thread.run(self._emulator.__aenter__())

    @property
    def endpoint(self) -> str:
        """The URL of the resource, such as "http://127.0.0.1:8080"."""
        return self._emulator.endpoint

    @property
    def connection_string(self) -> str:
        """The connection string, in the form that the Azure portal shows."""
        return self._emulator.connection_string

    def configure_hub(
        self, hub: str, *, anonymous_connect_policy: str = "deny", keep_alive_seconds: int = 20
    ) -> None:
        """Set what the ARM resource of a hub sets, as `Emulator.configure_hub`."""
        self._thread.call(
            lambda: self._emulator.configure_hub(
                hub,
                anonymous_connect_policy=anonymous_connect_policy,
                keep_alive_seconds=keep_alive_seconds,
            )
        )

    def add_event_handler(
        self,
        hub: str,
        url_template: str,
        *,
        system_events: Sequence[str] = SYSTEM_EVENTS,
        user_event_pattern: str = "*",
        group_events: Sequence[str] = (),
        group_filters: Sequence[str] = (),
    ) -> None:
        """Send events of the hub to this URL, as `Emulator.add_event_handler`."""
        self._thread.call(
            lambda: self._emulator.add_event_handler(
                hub,
                url_template,
                system_events=system_events,
                user_event_pattern=user_event_pattern,
                group_events=group_events,
                group_filters=group_filters,
            )
        )

    def connections(self, hub: str) -> list[ClientConnection]:
        """Return the hub's connections, the oldest first."""
        return self._thread.call(self._emulator.connections, hub)

    def messages(self, hub: str) -> list[SentMessage]:
        """Return the messages that were sent to clients of the hub so far, in their order."""
        return self._thread.call(self._emulator.messages, hub)

    def drop(self, connection_id: str) -> None:
        """Abort a client's socket without a close frame. Raises LookupError if it has none."""
        self._thread.call(self._emulator.drop, connection_id)

    def restart(self) -> None:
        """Behave like a restart of the service, as `Emulator.restart`."""
        self._thread.call(self._emulator.restart)

    @contextmanager
    def faults(self, *faults: str, seed: int = 0) -> Iterator[None]:
        """Inject these faults instead of any others while the block runs. Raises FaultError."""
        wanted, active = [parse_fault(text) for text in faults], self._emulator.faults
        earlier = active.active, active.seed
        self._thread.call(active.replace, wanted, seed)
        try:
            yield
        finally:
            self._thread.call(active.replace, *earlier)

    def wait_for(self, predicate: Callable[[], _T], *, seconds: float = WAIT_SECONDS) -> _T:
        """Call `predicate` until it returns something true, and return that.

        Raises AssertionError after `seconds`, with the last messages, the connections and the
        failed event deliveries. Raises RuntimeError in a running event loop.
        """
        __tracebackhide__ = True
        _refuse_in_an_event_loop()
        deadline = time.monotonic() + seconds
        while not (found := self._ask(predicate, deadline)):
            time.sleep(POLL_SECONDS)
        return found

    async def wait_for_async(
        self, predicate: Callable[[], _T], *, seconds: float = WAIT_SECONDS
    ) -> _T:
        """Do the same as `wait_for` while the running event loop goes on."""
        __tracebackhide__ = True
        deadline = time.monotonic() + seconds
        while not (found := self._ask(predicate, deadline)):  # noqa: ASYNC110 - it may ask anything
            await asyncio.sleep(POLL_SECONDS)
        return found

    def _ask(self, predicate: Callable[[], _T], deadline: float) -> _T:
        __tracebackhide__ = True
        found = predicate()
        if inspect.iscoroutine(found):
            found.close()
            raise TypeError("The predicate must be a plain function, not a coroutine function.")
        if not found and time.monotonic() > deadline:
            raise AssertionError(f"The condition was not met in time.\n{self._evidence()}")
        return found

    def expect_failed_events(self, *names: str) -> None:
        """Let failed deliveries of these events not fail the test; of any event without names."""
        self._expected.update(names)
        self._expects_all = self._expects_all or not names

    def take_failures(self, *, answered: bool = False) -> list[str]:
        """Return the unexpected failures since the last call, one line each.

        With `answered` only those that an event handler caused by its answer: a handler that a
        test has stopped already is no failure.
        """
        records = self._thread.call(lambda: [*self._emulator.events()])
        fresh, self._judged = records[self._judged :], len(records)
        return [
            f"{record.hub}: {record}"
            for record in fresh
            if record.is_failure
            and not self._is_expected(record)
            and (record.status or not answered)
        ]

    def _is_expected(self, record: EventRecord) -> bool:
        return self._expects_all or record.name in self._expected

    def close(self) -> None:
        """Stop the emulator once deliveries have ended, or after a short time."""
        self._thread.run(self._emulator.settle(SETTLE_SECONDS))
        self._thread.run(self._emulator.__aexit__(None, None, None))

    def _evidence(self) -> str:
        return "\n".join(self._thread.call(lambda: [*_evidence(self._emulator)]))


def _evidence(emulator: Emulator) -> Iterator[str]:
    """Yield the lines that explain a failure."""
    hubs = emulator.hubs()
    messages = [(hub, one) for hub in hubs for one in emulator.messages(hub)[-SHOWN:]]
    connections = [(hub, one) for hub in hubs for one in emulator.connections(hub)]
    failures = [(record.hub, record) for record in emulator.events() if record.is_failure]
    yield from _section("Last messages", messages)
    yield from _section("Connections", connections)
    yield from _section("Failed event deliveries", failures)


def _section(title: str, rows: Sequence[tuple[str, object]]) -> Iterator[str]:
    yield f"{title}:"
    yield from ([f"  {hub}: {row}" for hub, row in rows] or ["  none"])


def _refuse_in_an_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "wait_for() would stop this event loop, and with it the code under test. "
        "Use `await webpubsub.wait_for_async(...)` here."
    )
