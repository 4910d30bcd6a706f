"""Tests of hub_recovery.py: what a reliable client loses and gets back."""

import json
from collections.abc import Callable

import pytest

from unit.samples import JSON, RELIABLE, enter, handshake, notified, sent_to
from webpubsub_emulator.connection import HELD_FRAMES
from webpubsub_emulator.effects import Ask, Close, Effect, PauseReading, Retain, Send
from webpubsub_emulator.events import EventAnswer
from webpubsub_emulator.frame_queue import FRAME_LIMIT
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.messages import Frame, Payload

ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
PING = Frame(b'{"type":"ping"}')
EVENT = Frame(b'{"type":"event","event":"e","data":1,"ackId":7}')
GONE = [("disconnected", b'{"reason": "The connection ended."}')]


def text(content: str) -> Payload:
    return Payload("text", content.encode())


def reliable(name: str = "c1") -> Hub:
    """Return a hub with one reliable client."""
    hub = Hub("chat")
    enter(hub, handshake(name, roles=ROLES, groups=("g",), subprotocols=(RELIABLE,)))
    return hub


def acknowledge(hub: Hub, sequence_id: int) -> list[Effect]:
    """Acknowledge everything up to that id."""
    return hub.client_sent("c1", Frame(b'{"type":"sequenceAck","sequenceId":%d}' % sequence_id))


def data(effects: list[Effect]) -> list[tuple[int, str]]:
    """Return sequence id and data of the messages that the client is sent."""
    messages = [json.loads(sent) for sent in sent_to("c1", effects)]
    return [(message["sequenceId"], message["data"]) for message in messages]


def test_unacknowledged_messages_are_sent_again() -> None:
    """Unchanged and in order, then the new ones; there is no second connected frame."""
    hub = reliable()
    first = [hub.sending.to_all(text(name), ()) for name in ("a", "b", "c")]
    assert acknowledge(hub, 1) == []
    hub.client_lost("c1")
    hub.sending.to_group("g", text("d"), ())
    effects = hub.recovery.recover("c1")
    assert data(effects) == [(2, "b"), (3, "c"), (4, "d")]
    assert effects[:2] == [*first[1], *first[2]]
    assert data(hub.sending.to_connection("c1", text("e"))) == [(5, "e")]


def test_a_recovery_may_happen_twice() -> None:
    """Each time, everything that is not acknowledged is sent again."""
    hub = reliable()
    hub.sending.to_all(text("a"), ())
    assert data(hub.recovery.recover("c1")) == [(1, "a")]
    assert data(hub.recovery.recover("c1")) == [(1, "a")]
    acknowledge(hub, 1)
    assert hub.recovery.recover("c1") == []


@pytest.mark.parametrize(
    ("lose", "is_kept"),
    [
        (lambda hub: hub.client_lost("c1"), True),
        (lambda hub: hub.client_closed("c1", 1001, "away"), True),
        (lambda hub: hub.client_closed("c1", 1006, ""), True),
        (lambda hub: hub.client_closed("c1", 1000, ""), False),
        (lambda hub: hub.endings.close("c1", ""), False),
        (lambda hub: hub.client_sent("c1", Frame(b"nonsense")), False),
        (lambda hub: hub.client_sent("c1", Frame(b"", is_text=False)), False),
        (lambda hub: hub.client_dropped("c1"), False),
    ],
)
def test_what_ends_a_connection(lose: Callable[[Hub], list[Effect]], is_kept: bool) -> None:
    """A normal closure, a close by the app, a violation or a slow client, but not a lost socket."""
    hub = reliable()
    effects = lose(hub)
    assert (hub.recovery.candidate("c1") is not None) is is_kept
    assert bool(notified(effects)) is not is_kept
    assert [effect for effect in effects if isinstance(effect, Retain)] == (
        [Retain("chat", "c1", 1)] if is_kept else []
    )
    assert hub.client_lost("c1") == []


@pytest.mark.parametrize("subprotocols", [(), (JSON,)])
def test_only_reliable_clients_are_kept(subprotocols: tuple[str, ...]) -> None:
    """Any other connection ends with its socket."""
    hub = Hub("chat")
    enter(hub, handshake(subprotocols=subprotocols))
    assert hub.recovery.candidate("c1") is None
    assert hub.recovery.recover("c1") == []
    assert notified(hub.client_lost("c1")) == GONE


def test_without_a_socket_the_connection_still_exists() -> None:
    """REST calls find, add, remove and close it; there is one disconnected event."""
    hub = reliable()
    hub.client_lost("c1")
    assert (bool(hub.connections.of_user("ann")), hub.groups.exists("g")) == (True, True)
    assert hub.groups.add("c1", "h") == []
    assert [member.id for member in hub.groups.members("h")] == ["c1"]
    hub.groups.remove("c1", "g")
    assert not hub.groups.exists("g")
    hub.recovery.recover("c1")
    assert [member.id for member in hub.groups.members("h")] == ["c1"]
    hub.client_lost("c1")
    closed = hub.endings.close("c1", "late")
    reason = b'{"reason": "Application server closed the connection. Reason: late"}'
    assert notified(closed) == [("disconnected", reason)]
    assert hub.recovery.candidate("c1") is None
    assert hub.recovery.expire("c1", 2) == []


def test_a_recovered_connection_is_unchanged() -> None:
    """User, permissions, connection state and ack ids stay."""
    hub = reliable()
    hub.client_sent("c1", EVENT)
    hub.event_answered("c1", EventAnswer(connection_state="s"))
    hub.client_lost("c1")
    hub.recovery.recover("c1")
    duplicate = hub.client_sent("c1", EVENT)
    assert '"Duplicate"' in sent_to("c1", duplicate)[0]
    join = Frame(b'{"type":"joinGroup","group":"h","ackId":8}')
    assert '"success":true' in sent_to("c1", hub.client_sent("c1", join))[0]
    end = hub.client_closed("c1", 1000, "bye")[0]
    assert (end.event.connection_state, end.event.user_id) == ("s", "ann")  # type: ignore[union-attr]


def test_the_retention_time() -> None:
    """After it the connection ends once, with a reason for the app."""
    hub = reliable()
    hub.client_lost("c1")
    effects = hub.recovery.expire("c1", 1)
    reason = b'{"reason": "The connection recovery timeout expired."}'
    assert notified(effects) == [("disconnected", reason)]
    assert (bool(hub.connections.of_user("ann")), hub.groups.exists("g")) == (False, False)
    assert hub.recovery.expire("c1", 1) == []
    assert hub.recovery.recover("c1") == []


def test_the_timer_of_an_earlier_drop() -> None:
    """It has no effect after a recovery or a later drop."""
    hub = reliable()
    assert hub.client_lost("c1") == [Retain("chat", "c1", 1)]
    hub.recovery.recover("c1")
    assert hub.recovery.expire("c1", 1) == []
    assert hub.client_lost("c1") == [Retain("chat", "c1", 2)]
    assert hub.recovery.expire("c1", 1) == []
    assert hub.recovery.candidate("c1") is not None


@pytest.mark.parametrize("is_attached", [True, False])
def test_too_much_is_unacknowledged(is_attached: bool) -> None:
    """1,001 messages close the client with 1008 for good; others get the message."""
    hub = reliable()
    enter(hub, handshake("c2"))
    if not is_attached:
        hub.client_lost("c1")
    for _ in range(FRAME_LIMIT):
        hub.sending.to_connection("c1", text("x"))
    effects = hub.sending.to_all(text("y"), ())
    full = "The reliable message buffer is full."
    assert effects[0] == Close("c1", 1008, full)
    assert notified(effects) == [("disconnected", json.dumps({"reason": full}).encode())]
    assert len(sent_to("c2", effects)) == 1
    assert (hub.recovery.candidate("c1"), hub.groups.exists("g")) == (None, False)


def test_acknowledged_messages_do_not_count() -> None:
    """A client that acknowledges in time gets any number of messages."""
    hub = reliable()
    for number in range(1, 3 * FRAME_LIMIT):
        hub.sending.to_connection("c1", text("x"))
        acknowledge(hub, number)
    assert hub.recovery.candidate("c1") is not None


def test_an_event_outlives_the_socket() -> None:
    """The app's answer is kept for the client, and earlier frames are carried out."""
    hub = reliable()
    hub.client_sent("c1", EVENT)
    hub.client_sent("c1", Frame(b'{"type":"joinGroup","group":"h"}'))
    assert hub.client_lost("c1") == [Retain("chat", "c1", 1)]
    hub.event_answered("c1", EventAnswer(text("answer")))
    assert hub.groups.exists("h")
    assert data(hub.recovery.recover("c1")) == [(1, "answer")]


def test_a_recovered_client_does_not_flood_a_busy_app() -> None:
    """Reading from the new socket pauses if enough frames are held already."""
    hub = reliable()
    hub.client_sent("c1", EVENT)
    for _ in range(HELD_FRAMES):
        hub.client_sent("c1", PING)
    hub.client_lost("c1")
    assert hub.recovery.recover("c1") == [PauseReading("c1")]


def test_a_client_that_said_goodbye_does_not_come_back() -> None:
    """Not even while its last event is with the app."""
    hub = reliable()
    assert isinstance(hub.client_sent("c1", EVENT)[0], Ask)
    assert hub.client_closed("c1", 1000, "bye") == []
    assert hub.client_lost("c1") == []
    assert hub.recovery.candidate("c1") is None
    effects = hub.event_answered("c1", EventAnswer())
    assert notified(effects) == [("disconnected", b'{"reason": "bye"}')]
    assert isinstance(effects[0], Send)
