"""Tests of service.py, with a fake delivery of events."""

import asyncio
from typing import cast

import pytest
from aiohttp import web

from unit.samples import RELIABLE, enter, handshake
from virtual_time import run
from webpubsub_emulator.client_socket import ClientSocket
from webpubsub_emulator.events import Event, EventAnswer
from webpubsub_emulator.frame_queue import FRAME_LIMIT
from webpubsub_emulator.handlers import EventHandlers
from webpubsub_emulator.messages import Frame, Payload
from webpubsub_emulator.service import Service

EVENT = Frame(b'{"type":"event","event":"e","data":1}')
STREAM = Frame(b'{"type":"sendToGroup","group":"g","stream":{"streamId":"s","idleTimeoutMs":5000}}')
INVOCATION = Frame(b'{"type":"invoke","invocationId":"i","event":"e"}')


class SlowApp:
    """Accepts connected events, and answers user events, when a test releases them."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self.given_up: list[str] = []
        self.on_its_way = asyncio.Event()
        self.answer = asyncio.Event()

    async def notify(self, event: Event, started: asyncio.Event) -> None:
        if event.name == "connected":
            await self.on_its_way.wait()
        self.arrived.append(event.name)
        started.set()

    async def ask(self, event: Event, started: asyncio.Event) -> EventAnswer:
        self.arrived.append(event.name)
        started.set()
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.given_up.append(event.name)
            raise
        return EventAnswer()

    invoke = ask


class Line:
    """A fake request and transport of a client that reads nothing."""

    def __init__(self) -> None:
        self.transport = self
        self.is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True

    def socket(self) -> ClientSocket:
        """Return a socket that is not open yet, so that frames are queued."""
        return ClientSocket("chat", cast("web.Request", self))


async def settle() -> None:
    """Let every task run that can run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_events_start_in_order() -> None:
    """No event overtakes connected, not even if the client and its event are gone."""
    app = SlowApp()
    service = Service(cast("EventHandlers", app))
    hub = service.hub("Chat")
    service.run(enter(hub, handshake()))
    service.run(hub.client_sent("c1", EVENT))
    service.run(hub.client_lost("c1"))
    await settle()
    assert app.arrived == []
    app.on_its_way.set()
    await settle()
    assert app.arrived == ["connected", "disconnected"]
    await service.close()


async def test_a_lost_clients_event_is_cancelled() -> None:
    """An answered one goes back to the hub."""
    app = SlowApp()
    app.on_its_way.set()
    service = Service(cast("EventHandlers", app))
    hub = service.hub("chat")
    for name in ("c1", "c2"):
        service.run(enter(hub, handshake(name)))
        service.run(hub.client_sent(name, EVENT))
    await settle()
    service.run(hub.client_lost("c1"))
    await settle()
    assert app.given_up == ["e"]
    app.answer.set()
    await settle()
    connection = hub.connections.get("c2")
    assert connection is not None
    assert connection.pending is None
    await service.close()


async def test_a_slow_client_is_dropped_alone() -> None:
    """Its connection ends, the app gets disconnected, and others get the same broadcasts."""
    app = SlowApp()
    app.on_its_way.set()
    service = Service(cast("EventHandlers", app))
    hub = service.hub("chat")
    line = Line()
    service.attach("slow", line.socket())
    for name in ("slow", "fast"):  # "fast" reads everything, so nothing is queued for it
        service.run(enter(hub, handshake(name)))
    for _ in range(FRAME_LIMIT + 1):
        service.run(hub.sending.to_all(Payload("text", b"x"), ()))
    await settle()
    assert line.is_aborted
    assert (hub.connections.get("slow"), hub.connections.get("fast") is None) == (None, False)
    assert app.arrived == ["connected", "connected", "disconnected"]
    await service.close()


async def test_a_slow_client_is_dropped_after_the_effects() -> None:
    """Its next user event was on its way already, and is cancelled."""
    app = SlowApp()
    app.on_its_way.set()
    service = Service(cast("EventHandlers", app))
    hub = service.hub("chat")
    service.attach("c1", Line().socket())
    service.run(enter(hub, handshake("c1")))
    for _ in range(FRAME_LIMIT - 1):
        service.run(hub.sending.to_all(Payload("text", b"x"), ()))
    for frame in (EVENT, Frame(b'{"type":"ping"}'), EVENT):
        service.run(hub.client_sent("c1", frame))
    app.answer.set()
    await settle()
    assert hub.connections.get("c1") is None
    assert app.arrived[-1] == "disconnected"
    await service.close()


def test_how_long_a_connection_is_kept() -> None:
    """30 s: the service promises at least that, and its clients try for that long."""

    async def lose_and_wait() -> list[bool]:
        app = SlowApp()
        app.on_its_way.set()
        service = Service(cast("EventHandlers", app))
        hub = service.hub("chat")
        service.run(enter(hub, handshake("c1", subprotocols=(RELIABLE,))))
        service.run(hub.client_lost("c1"))
        found = []
        for seconds in (29, 2):
            await asyncio.sleep(seconds)
            found.append(hub.connections.find("c1") is not None)
        await service.close()
        return found

    assert run(lose_and_wait())[0] == [True, False]


async def test_only_the_last_drop_counts(caplog: pytest.LogCaptureFixture) -> None:
    """A later drop restarts the retention time, and the connection ends once."""
    app = SlowApp()
    app.on_its_way.set()
    service = Service(cast("EventHandlers", app), retention_seconds=0)
    hub = service.hub("chat")
    service.run(enter(hub, handshake("c1", subprotocols=(RELIABLE,))))
    service.run(hub.client_lost("c1"))
    service.run(hub.recovery.recover("c1"))
    service.run(hub.client_lost("c1"))
    await settle()
    assert app.arrived == ["connected", "disconnected"]
    assert caplog.records == []
    await service.close()


async def test_invocations_are_cancelled_one_by_one() -> None:
    """By the client, or with the connection. The others are answered."""
    app = SlowApp()
    app.on_its_way.set()
    service = Service(cast("EventHandlers", app))
    hub = service.hub("chat")
    service.run(enter(hub, handshake("c1")))
    for name in ("a", "b", "c"):
        text = f'{{"type":"invoke","invocationId":"{name}","event":"{name}"}}'
        service.run(hub.client_sent("c1", Frame(text.encode())))
    await settle()
    cancel = Frame(b'{"type":"cancelInvocation","invocationId":"b"}')
    service.run(hub.client_sent("c1", cancel))
    await settle()
    assert (app.arrived, app.given_up) == (["connected", "a", "b", "c"], ["b"])
    service.run(hub.client_lost("c1"))
    await settle()
    assert app.given_up == ["b", "a", "c"]
    await service.close()


async def test_an_invocation_gets_the_apps_answer() -> None:
    app = SlowApp()
    app.on_its_way.set()
    app.answer.set()
    service = Service(cast("EventHandlers", app))
    hub = service.hub("chat")
    service.run(enter(hub, handshake("c1")))
    socket = Line().socket()
    service.attach("c1", socket)
    service.run(hub.client_sent("c1", INVOCATION))
    await settle()
    assert [frame.data for frame in socket._queue or ()] == [
        b'{"type":"invokeResponse","invocationId":"i","success":true}'
    ]
    await service.close()


def test_an_idle_stream_is_closed() -> None:
    """After its own timeout. A restart stops the timers."""

    async def start_and_wait(*, restart: bool) -> list[bytes]:
        app = SlowApp()
        app.on_its_way.set()
        service = Service(cast("EventHandlers", app))
        hub = service.hub("chat")
        service.run(enter(hub, handshake("c1", roles=("webpubsub.sendToGroup",))))
        socket = Line().socket()
        service.attach("c1", socket)
        service.run(hub.client_sent("c1", STREAM))
        if restart:
            service.restart()
        await asyncio.sleep(6)
        await service.close()
        return [frame.data for frame in socket._queue or ()]

    ack, closed = run(start_and_wait(restart=False))[0]
    assert ack == b'{"type":"streamAck","streamId":"s","expectedSequenceId":1}'
    assert b'"streamClosed"' in closed
    assert run(start_and_wait(restart=True))[0] == [ack]
