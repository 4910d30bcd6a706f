"""Tests of event_faults.py, in virtual time."""

import asyncio

import pytest

from virtual_time import run
from webpubsub_emulator.deliveries import Delivery
from webpubsub_emulator.event_faults import EventFaults
from webpubsub_emulator.events import Event
from webpubsub_emulator.faults import Faults, parse_fault
from webpubsub_emulator.messages import Payload
from webpubsub_emulator.upstream import Headers, UpstreamResponse


class Line:
    """A fake delivery that counts the requests and answers 201, 202 and so on."""

    def __init__(self, *faults: str) -> None:
        self.faults = Faults([parse_fault(text) for text in faults])
        self.subject = EventFaults(self.faults)
        self.sent: list[str] = []

    async def deliver(self, name: str, started: asyncio.Event | None = None) -> Delivery:
        """Deliver one event of connection c1."""
        payload = Payload("json", b"{}")
        event = Event("chat", "c1", "sys", name, 0, payload)
        on_its_way = started or asyncio.Event()

        async def send() -> Delivery:
            self.sent.append(name)
            on_its_way.set()
            return Delivery(1, UpstreamResponse(200 + len(self.sent), Headers(()), b""))

        try:
            return await self.subject.deliver(event, on_its_way, send)
        finally:
            on_its_way.set()


def test_nothing_happens_without_faults() -> None:
    """The event is sent once and at once, and `are_needed` is false."""
    line = Line()
    delivery, seconds = run(line.deliver("connected"))
    assert (line.sent, delivery.attempts, seconds) == (["connected"], 1, 0)
    assert not line.subject.are_needed


def test_a_lost_event() -> None:
    """The event is not sent: no attempt and no response."""
    line = Line("event-lost:event=connected")
    delivery, _ = run(line.deliver("connected"))
    assert delivery == Delivery(0, None, "fault event-lost")
    run(line.deliver("disconnected"))
    assert line.sent == ["disconnected"]


def test_a_duplicated_event() -> None:
    """The event is sent twice, and the second answer counts."""
    line = Line("event-duplicated")
    delivery, _ = run(line.deliver("connect"))
    assert line.sent == ["connect", "connect"]
    assert delivery.response is not None
    assert (delivery.attempts, delivery.response.status) == (2, 202)


def test_a_delayed_event() -> None:
    """The event is sent later, and is not started before."""

    async def deliver() -> bool:
        started = asyncio.Event()
        task = asyncio.create_task(line.deliver("connected", started))
        await asyncio.sleep(1.9)
        assert line.sent == []
        too_early = started.is_set()
        await task
        return too_early

    line = Line("event-delayed:ms=2000")
    assert run(deliver()) == (False, 2)
    assert line.sent == ["connected"]


def test_a_slow_handler() -> None:
    """The event is sent at once, and its answer counts later."""

    async def deliver() -> None:
        task = asyncio.create_task(line.deliver("connect"))
        await asyncio.sleep(1)
        assert line.sent == ["connect"]
        assert not task.done()
        await task

    line = Line("handler-slow:ms=2000")
    assert run(deliver()) == (None, 2)


@pytest.mark.parametrize(
    ("later", "expected"),
    [((), ["disconnected", "connected"]), (("event-lost",), ["connected"])],
)
def test_a_reordered_notification(later: tuple[str, ...], expected: list[str]) -> None:
    """The event is sent after the connection's next event, even if that one is lost."""

    async def deliver() -> None:
        started = asyncio.Event()
        first = asyncio.create_task(line.deliver("connected", started))
        await asyncio.sleep(5)
        assert (line.sent, started.is_set()) == ([], True)
        line.faults.replace([parse_fault(text) for text in later], 0)
        assert line.subject.are_needed
        await line.deliver("disconnected")
        await first

    line = Line("event-reordered")
    run(deliver())
    assert line.sent == expected
    line.faults.replace([], 0)
    assert not line.subject.are_needed


def test_a_reordered_notification_behind_a_late_event() -> None:
    """The event waits until the next event is really on its way."""

    async def deliver() -> None:
        first = asyncio.create_task(line.deliver("connected"))
        await asyncio.sleep(0)
        await line.deliver("disconnected")
        await first

    line = Line("event-reordered", "event-delayed:event=disconnected,ms=1000")
    assert run(deliver()) == (None, 1)
    assert line.sent == ["disconnected", "connected"]


def test_what_is_never_reordered() -> None:
    """connect is answered before the next event exists, and disconnected is the last event."""
    line = Line("event-reordered")
    for name in ("connect", "disconnected"):
        run(line.deliver(name))
    assert line.sent == ["connect", "disconnected"]
    assert [count for _, count in line.faults.counts()] == [0]


def test_a_reordered_event_that_is_cancelled() -> None:
    """It leaves no state, and the next event is sent as usual."""

    async def deliver() -> None:
        task = asyncio.create_task(line.deliver("connected"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        line.faults.replace([], 0)
        assert not line.subject.are_needed
        await line.deliver("disconnected")

    line = Line("event-reordered")
    run(deliver())
    assert line.sent == ["disconnected"]
