"""Messages that expire: in a queue, before a recovery, and in a full buffer."""

import asyncio
from typing import cast

from unit.samples import RELIABLE, enter, handshake, sent_to
from unit.test_client_socket import Wire, opened
from virtual_time import run
from webpubsub_emulator.effects import Expire
from webpubsub_emulator.frame_queue import FRAME_LIMIT
from webpubsub_emulator.handlers import EventHandlers
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.messages import Frame, Lifetime, Payload
from webpubsub_emulator.service import Service
from webpubsub_emulator.unacknowledged import UnacknowledgedMessages

SHORT, LASTING = Payload("text", b"short", ttl_seconds=5), Payload("text", b"lasting")


def test_a_message_expires_for_all_receivers_at_once() -> None:
    hub = Hub("chat")
    for name in ("a", "b"):
        enter(hub, handshake(name, subprotocols=(RELIABLE,)))
    effects = hub.sending.to_all(SHORT, ())
    (lifetime,) = [effect.lifetime for effect in effects if isinstance(effect, Expire)]
    assert lifetime.seconds == 5
    hub.sending.to_all(LASTING, ())
    assert len(sent_to("a", hub.recovery.recover("a"))) == 2
    lifetime.end()
    for name in ("a", "b"):
        (replayed,) = sent_to(name, hub.recovery.recover(name))
        assert '"lasting","sequenceId":2' in replayed


def test_messages_without_a_time_to_live_have_no_timer() -> None:
    hub = Hub("chat")
    enter(hub, handshake())
    assert not [one for one in hub.sending.to_all(LASTING, ()) if isinstance(one, Expire)]


async def test_a_slow_client_gets_no_expired_frame() -> None:
    wire = Wire()
    socket = wire.socket()
    await opened(wire, socket)
    wire.is_blocked = True
    over, open_ = Lifetime(1), Lifetime(1)
    for data, lifetime in ((b"1", over), (b"2", open_), (b"3", None)):
        socket.send(Frame(data, lifetime=lifetime))
    over.end()
    wire.unblock()
    for _ in range(5):
        await asyncio.sleep(0)
    assert [data for _, data in wire.written] == [b"2", b"3"]
    await socket.finish()


def test_expired_messages_make_room() -> None:
    """Sequence ids go on, and acknowledgements release what they did before."""
    lifetime = Lifetime(1)
    store = UnacknowledgedMessages(lambda message, number: Frame(b"%d" % number, lifetime=lifetime))
    message = object()
    for _ in range(FRAME_LIMIT):
        store.add(message)  # type: ignore[arg-type]  # the function above ignores it
    lifetime.end()
    lifetime = Lifetime(1)
    store.add(message)  # type: ignore[arg-type]
    assert not store.is_overfull
    assert [frame.data for frame in store.frames()] == [b"%d" % (FRAME_LIMIT + 1)]
    store.release(FRAME_LIMIT)
    assert len(list(store.frames())) == 1
    store.release(FRAME_LIMIT + 1)
    assert list(store.frames()) == []


def test_the_service_ends_a_lifetime_after_its_seconds() -> None:
    async def expire() -> None:
        service = Service(cast("EventHandlers", None))
        lifetime = Lifetime(5)
        service.run([Expire(lifetime)])
        await asyncio.sleep(4)
        assert not lifetime.is_over
        await asyncio.sleep(2)
        assert lifetime.is_over
        await service.close()

    run(expire())
