"""Tests of hub_invocations.py."""

import json

import pytest

from unit.samples import RELIABLE, enter, handshake, sent_to
from webpubsub_emulator.effects import Ask, Effect, Send, Withdraw
from webpubsub_emulator.events import EventAnswer
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.messages import ErrorDetail, Frame, Payload

EVENT = Frame(b'{"type":"event","event":"e","data":1,"ackId":1}')


def frame(**fields: object) -> Frame:
    """Return a JSON client's frame."""
    return Frame(json.dumps(fields).encode())


def invoke(invocation_id: str) -> Frame:
    """Return an invocation of the event e."""
    return frame(type="invoke", invocationId=invocation_id, event="e", data=1)


def opened() -> Hub:
    """Return a hub with one client."""
    hub = Hub("chat")
    enter(hub, handshake(subprotocols=(RELIABLE,)))
    return hub


def asked(effects: list[Effect]) -> list[tuple[int, str | None]]:
    """Return number and invocation id of each event that the app gets."""
    return [(each.event.number, each.invocation_id) for each in effects if isinstance(each, Ask)]


def frames(effects: list[Effect]) -> list[object]:
    return [json.loads(text) for text in sent_to("c1", effects)]


def test_an_invocation_is_a_user_event() -> None:
    """It has its data and the next number of the connection."""
    (effect,) = opened().client_sent("c1", invoke("i"))
    assert isinstance(effect, Ask)
    assert (effect.event.kind, effect.event.name, effect.event.number) == ("user", "e", 2)
    assert (effect.event.payload, effect.invocation_id) == (Payload("json", b"1"), "i")


@pytest.mark.parametrize(
    ("payload", "members"),
    [
        (None, {}),
        (Payload("text", b"x"), {"dataType": "text", "data": "x"}),
        (Payload("json", b'{"a": 1}'), {"dataType": "json", "data": {"a": 1}}),
        (
            Payload("binary", b"\xff", (("k", "v"),)),
            {"dataType": "binary", "data": "/w==", "metadata": {"k": "v"}},
        ),
    ],
)
def test_results(payload: Payload | None, members: dict[str, object]) -> None:
    """The response has the app's data, or none. It is not numbered and not sent again."""
    hub = opened()
    hub.client_sent("c1", invoke("i"))
    effects = hub.invocation_answered("c1", "i", EventAnswer(payload))
    assert frames(effects) == [
        {"type": "invokeResponse", "invocationId": "i", "success": True, **members}
    ]
    assert hub.recovery.recover("c1") == []


def test_a_failure_has_a_name_and_a_message() -> None:
    hub = opened()
    hub.client_sent("c1", invoke("i"))
    effects = hub.invocation_answered("c1", "i", ErrorDetail("Timeout", "too late"))
    assert frames(effects) == [
        {
            "type": "invokeResponse",
            "invocationId": "i",
            "success": False,
            "error": {"name": "Timeout", "message": "too late"},
        }
    ]


def test_other_requests_do_not_wait_for_an_invocation() -> None:
    """Neither pings nor events nor more invocations; answers come in any order."""
    hub = opened()
    assert asked(hub.client_sent("c1", invoke("a"))) == [(2, "a")]
    assert asked(hub.client_sent("c1", invoke("b"))) == [(3, "b")]
    assert frames(hub.client_sent("c1", frame(type="ping"))) == [{"type": "pong"}]
    assert asked(hub.client_sent("c1", EVENT)) == [(4, None)]
    for invocation_id in ("b", "a"):
        (send,) = hub.invocation_answered("c1", invocation_id, EventAnswer())
        assert isinstance(send, Send)


def test_an_invocation_waits_for_a_user_event() -> None:
    """As every frame does that comes after the event."""
    hub = opened()
    hub.client_sent("c1", EVENT)
    assert hub.client_sent("c1", invoke("a")) == []
    assert asked(hub.event_answered("c1", EventAnswer())) == [(3, "a")]


def test_an_id_is_free_again_after_the_answer() -> None:
    """While the invocation is running, a second one with its id fails."""
    hub = opened()
    hub.client_sent("c1", invoke("i"))
    (refused,) = frames(hub.client_sent("c1", invoke("i")))
    assert isinstance(refused, dict)
    assert (refused["success"], refused["error"]["name"]) == (False, "BadRequest")
    hub.invocation_answered("c1", "i", EventAnswer())
    assert asked(hub.client_sent("c1", invoke("i"))) == [(3, "i")]


def test_a_cancelled_invocation_is_withdrawn() -> None:
    """Without a frame for the client. An invocation that is not running is left alone."""
    hub = opened()
    hub.client_sent("c1", invoke("i"))
    cancel = frame(type="cancelInvocation", invocationId="i")
    assert hub.client_sent("c1", cancel) == [Withdraw("c1", "i")]
    assert hub.client_sent("c1", cancel) == []
    assert asked(hub.client_sent("c1", invoke("i"))) == [(3, "i")]


def test_an_answer_sets_the_connection_state() -> None:
    hub = opened()
    hub.client_sent("c1", invoke("i"))
    hub.invocation_answered("c1", "i", EventAnswer(connection_state="s"))
    (effect,) = hub.client_sent("c1", EVENT)
    assert isinstance(effect, Ask)
    assert effect.event.connection_state == "s"


def test_the_end_of_a_connection_withdraws_its_invocations() -> None:
    """And a late answer has no effect."""
    hub = opened()
    for name in ("b", "a"):
        hub.client_sent("c1", invoke(name))
    assert hub.endings.close("c1", "")[-3:-1] == [Withdraw("c1", "a"), Withdraw("c1", "b")]
    assert hub.invocation_answered("c1", "a", EventAnswer()) == []


def test_a_lost_socket_keeps_invocations() -> None:
    """The answer goes to the connection's next socket, if it has one by then."""
    hub = opened()
    hub.client_sent("c1", invoke("i"))
    assert not [each for each in hub.client_lost("c1") if isinstance(each, Withdraw)]
    hub.recovery.recover("c1")
    assert len(hub.invocation_answered("c1", "i", EventAnswer())) == 1
