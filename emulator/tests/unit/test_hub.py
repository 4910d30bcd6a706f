"""Tests of hub.py: tables of inputs and effects."""

import json
from collections.abc import Callable

import pytest

from unit.samples import (
    RELIABLE,
    enter,
    handshake,
    notified,
    sent_to,
)
from webpubsub_emulator.client_modes import PublishMode
from webpubsub_emulator.connection import HELD_FRAMES
from webpubsub_emulator.effects import (
    Ask,
    Close,
    Effect,
    PauseReading,
    ResumeReading,
    Send,
    Withdraw,
)
from webpubsub_emulator.events import ConnectAnswer, EventAnswer
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.messages import Frame, Payload

ANY_GROUP = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
TEXT = Payload("text", b"hello")


def frame(**fields: object) -> Frame:
    """Return a JSON client's frame."""
    return Frame(json.dumps(fields).encode())


def asked(effects: list[Effect]) -> list[str]:
    """Return the bodies of the user events in effects."""
    return [e.event.payload.content.decode() for e in effects if isinstance(e, Ask)]


def test_a_client_is_addressable_when_it_has_opened() -> None:
    """REST calls do not see the connection during connect, and see it from connected on."""
    hub = Hub("chat")
    opening = handshake(groups=("g",))
    event = hub.client_arrived(opening)
    assert (event.name, event.number, event.subprotocol) == ("connect", 0, None)
    assert hub.connections.get("c1") is None
    effects = hub.client_opened("c1", ConnectAnswer(connection_state="s"), "token")
    assert hub.connections.of_user("ann")
    assert hub.groups.exists("g")
    assert notified(effects) == [("connected", b"{}")]
    assert json.loads(sent_to("c1", effects)[0])["event"] == "connected"
    assert "token" not in sent_to("c1", effects)[0]


def test_a_refused_client_leaves_no_trace() -> None:
    """There is no connection, no user and no group."""
    hub = Hub("chat")
    hub.client_arrived(handshake(groups=("g",)))
    hub.client_refused("c1")
    assert (
        hub.connections.get("c1"),
        bool(hub.connections.of_user("ann")),
        hub.groups.exists("g"),
    ) == (None, False, False)


@pytest.mark.parametrize(
    ("answer", "groups"),
    [
        (ConnectAnswer(), {"token"}),
        (ConnectAnswer(groups=("app",)), {"app"}),
    ],
)
def test_groups_of_the_app_replace_the_tokens(answer: ConnectAnswer, groups: set[str]) -> None:
    hub = Hub("chat")
    enter(hub, handshake(groups=("token",)), answer)
    assert {name for name in ("token", "app") if hub.groups.exists(name)} == groups


@pytest.mark.parametrize(
    ("roles", "request_", "reply"),
    [
        (ANY_GROUP, {"type": "joinGroup", "group": "g"}, {"success": True}),
        (ANY_GROUP, {"type": "leaveGroup", "group": "never joined"}, {"success": True}),
        (ANY_GROUP, {"type": "sendToGroup", "group": "nobody", "data": 1}, {"success": True}),
        (
            (),
            {"type": "joinGroup", "group": "g"},
            {
                "success": False,
                "error": {
                    "name": "Forbidden",
                    "message": "The client does not have permission to join group 'g'.",
                },
            },
        ),
        (
            (),
            {"type": "sendToGroup", "group": "g", "data": 1},
            {
                "success": False,
                "error": {
                    "name": "Forbidden",
                    "message": "The client does not have permission to send to group 'g'.",
                },
            },
        ),
    ],
)
def test_acks(
    roles: tuple[str, ...], request_: dict[str, object], reply: dict[str, object]
) -> None:
    """A request with an ack id is answered; without one it is silent."""
    hub = Hub("chat")
    enter(hub, handshake(roles=roles))
    effects = hub.client_sent("c1", frame(**request_, ackId=5))
    assert [json.loads(text) for text in sent_to("c1", effects)] == [
        {"type": "ack", "ackId": 5, **reply}
    ]
    assert hub.client_sent("c1", frame(**request_)) == []


def test_ack_ids_are_remembered_after_success_only() -> None:
    """An id that failed may be used again; one that succeeded is a duplicate."""
    hub = Hub("chat")
    enter(hub, handshake(roles=("webpubsub.sendToGroup.g", "webpubsub.joinLeaveGroup")))
    forbidden = hub.client_sent("c1", frame(type="sendToGroup", group="x", data=1, ackId=1))
    assert '"Forbidden"' in sent_to("c1", forbidden)[0]
    joined = hub.client_sent("c1", frame(type="joinGroup", group="g", ackId=1))
    assert '"success":true' in sent_to("c1", joined)[0]
    again = hub.client_sent("c1", frame(type="sendToGroup", group="g", data=1, ackId=1))
    assert [json.loads(text)["error"] for text in sent_to("c1", again)] == [
        {"name": "Duplicate", "message": "Message with ack-id: 1 has been processed"}
    ]


@pytest.mark.parametrize(("no_echo", "echoes"), [(True, 0), (False, 1)])
def test_publishing(no_echo: bool, echoes: int) -> None:
    """Members get the message with its sender; the sender gets it unless it asked for no echo."""
    hub = Hub("chat")
    enter(hub, handshake("c1", roles=ANY_GROUP, groups=("g",)))
    enter(hub, handshake("c2", user_id=None, subprotocols=(), groups=("g",)))
    enter(hub, handshake("c3"))
    effects = hub.client_sent(
        "c1", frame(type="sendToGroup", group="g", data="x", dataType="text", noEcho=no_echo)
    )
    assert sent_to("c2", effects) == ["x"]
    assert sent_to("c3", effects) == []
    assert len(sent_to("c1", effects)) == echoes
    assert all(json.loads(text)["fromUserId"] == "ann" for text in sent_to("c1", effects))


def test_sequence_ids_count_messages_of_one_reliable_client() -> None:
    """From 1 for each client, without acks and pongs."""
    hub = Hub("chat")
    opened = enter(hub, handshake("c1", subprotocols=(RELIABLE,)))
    assert json.loads(sent_to("c1", opened)[0])["reconnectionToken"] == "token"
    hub.sending.to_connection("c1", TEXT)
    enter(hub, handshake("c2", subprotocols=(RELIABLE,)))
    hub.client_sent("c1", frame(type="ping"))
    effects = hub.sending.to_all(TEXT, ())
    numbers = [json.loads(sent_to(client, effects)[0])["sequenceId"] for client in ("c1", "c2")]
    assert numbers == [2, 1]


@pytest.mark.parametrize(
    ("effects_of", "receivers"),
    [
        (lambda hub: hub.sending.to_all(TEXT, ()), ["c1", "c2", "c3"]),
        (lambda hub: hub.sending.to_all(TEXT, {"c2", "c1,c3"}), ["c1", "c3"]),
        (lambda hub: hub.sending.to_group("g", TEXT, {"c1"}), ["c2"]),
        (lambda hub: hub.sending.to_group("none", TEXT, ()), []),
        (lambda hub: hub.sending.to_user("ann", TEXT), ["c1", "c3"]),
        (lambda hub: hub.sending.to_user("Ann", TEXT), []),
        (lambda hub: hub.sending.to_connection("c3", TEXT), ["c3"]),
        (lambda hub: hub.sending.to_connection("gone", TEXT), []),
    ],
)
def test_rest_sends(effects_of: Callable[[Hub], list[Effect]], receivers: list[str]) -> None:
    """A send reaches its audience without the excluded connections."""
    hub = Hub("chat")
    enter(hub, handshake("c1", groups=("g",)))
    enter(hub, handshake("c2", user_id="bob", groups=("g",)))
    enter(hub, handshake("c3", subprotocols=()))
    sends = [effect for effect in effects_of(hub) if isinstance(effect, Send)]
    assert [send.connection_id for send in sends] == receivers


@pytest.mark.parametrize(
    ("subprotocols", "bad", "code"),
    [
        ((RELIABLE,), Frame(b"{}"), 1007),
        ((RELIABLE,), Frame(b"{}", is_text=False), 1003),
    ],
)
def test_a_violation_ends_its_own_connection(
    subprotocols: tuple[str, ...], bad: Frame, code: int
) -> None:
    """The close has a reason, and other connections stay."""
    hub = Hub("chat")
    enter(hub, handshake("c1", subprotocols=subprotocols))
    enter(hub, handshake("c2"))
    effects = hub.client_sent("c1", bad)
    closes = [effect for effect in effects if isinstance(effect, Close)]
    assert [(close.connection_id, close.code) for close in closes] == [("c1", code)]
    assert notified(effects) == [
        ("disconnected", json.dumps({"reason": closes[0].reason}).encode())
    ]
    assert (hub.connections.get("c1"), hub.connections.get("c2") is None) == (None, False)


PUBLISH = PublishMode("g", no_echo=False)


@pytest.mark.parametrize(
    ("frame_", "mode", "receivers"),
    [
        (Frame(b"hi"), PUBLISH, ["c1", "c2"]),
        (Frame(b"\xff", is_text=False), PUBLISH, ["c1", "c2"]),
        (Frame(b"hi"), PublishMode("g", no_echo=True), ["c2"]),
    ],
)
def test_a_simple_client_that_publishes(
    frame_: Frame, mode: PublishMode, receivers: list[str]
) -> None:
    """In the mode sendToGroup frames go to the group unchanged, with or without an echo."""
    hub = Hub("chat")
    for name in ("c1", "c2"):
        enter(hub, handshake(name, roles=ANY_GROUP, groups=("g",), subprotocols=()), mode=mode)
    sends = [effect for effect in hub.client_sent("c1", frame_) if isinstance(effect, Send)]
    assert [(send.connection_id, send.frame) for send in sends] == [
        (name, frame_) for name in receivers
    ]


def test_publishing_does_not_join() -> None:
    """A simple client in the mode sendToGroup is not a member, and need not be one."""
    hub = Hub("chat")
    enter(hub, handshake(roles=ANY_GROUP, subprotocols=()), mode=PUBLISH)
    assert hub.client_sent("c1", Frame(b"hi")) == []
    assert not hub.groups.exists("g")


def test_publishing_without_the_role_ends_a_simple_client() -> None:
    """The handshake works, but the first frame closes the connection with 1008."""
    hub = Hub("chat")
    enter(hub, handshake(subprotocols=()), mode=PUBLISH)
    effects = hub.client_sent("c1", Frame(b"hi"))
    assert isinstance(effects[0], Close)
    assert (effects[0].code, hub.connections.get("c1")) == (1008, None)


def test_json_clients_have_no_mode() -> None:
    """The mode in the URL is for simple clients, whatever subprotocol the app chooses."""
    hub = Hub("chat")
    enter(hub, handshake(), mode=PUBLISH)
    assert sent_to("c1", hub.client_sent("c1", frame(type="ping"))) == ['{"type":"pong"}']


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        (EventAnswer(), ['{"type":"ack","ackId":1,"success":true}']),
        (
            EventAnswer(TEXT),
            [
                '{"type":"message","from":"server","dataType":"text","data":"hello"}',
                '{"type":"ack","ackId":1,"success":true}',
            ],
        ),
        (
            None,
            [
                '{"type":"ack","ackId":1,"success":false,'
                '"error":{"name":"InternalServerError","message":"Internal server error"}}'
            ],
        ),
    ],
)
def test_event_answers(answer: EventAnswer | None, texts: list[str]) -> None:
    """The app's message comes before the ack; a failure is an ack, and the client stays."""
    hub = Hub("chat")
    enter(hub, handshake())
    hub.client_sent("c1", frame(type="event", event="e", data=1, ackId=1))
    assert sent_to("c1", hub.event_answered("c1", answer)) == texts
    assert hub.connections.get("c1") is not None


def test_a_failed_event_closes_a_simple_client() -> None:
    """Simple clients have no acks, so there is no other way to report the failure."""
    hub = Hub("chat")
    enter(hub, handshake(subprotocols=()))
    effects = hub.client_sent("c1", Frame(b"hi"))
    assert isinstance(effects[0], Ask)
    assert (effects[0].event.kind, effects[0].event.name) == ("user", "message")
    effects = hub.event_answered("c1", None)
    assert effects[0] == Close("c1", 1011, "Internal server error")
    assert notified(effects)[0][0] == "disconnected"


def test_an_event_blocks_the_clients_next_frames() -> None:
    """They wait for its answer, and are then carried out in order up to the next event."""
    hub = Hub("chat")
    enter(hub, handshake(roles=ANY_GROUP))
    assert asked(hub.client_sent("c1", frame(type="event", event="e", data=1))) == ["1"]
    for later in (
        frame(type="joinGroup", group="g", ackId=1),
        frame(type="event", event="e", data=2, ackId=2),
        frame(type="ping"),
    ):
        assert hub.client_sent("c1", later) == []
    assert not hub.groups.exists("g")
    effects = hub.event_answered("c1", EventAnswer(connection_state="s"))
    assert sent_to("c1", effects) == ['{"type":"ack","ackId":1,"success":true}']
    assert asked(effects) == ["2"]
    assert [e.event.connection_state for e in effects if isinstance(e, Ask)] == ["s"]
    assert sent_to("c1", hub.event_answered("c1", EventAnswer()))[-1] == '{"type":"pong"}'


def test_reading_pauses_when_too_much_is_held() -> None:
    """A client that floods a busy app is read again once the app has caught up."""
    hub = Hub("chat")
    enter(hub, handshake())
    hub.client_sent("c1", frame(type="event", event="e", data=1))
    effects = [hub.client_sent("c1", frame(type="ping")) for _ in range(HELD_FRAMES)]
    assert [bool(some) for some in effects] == [False] * (HELD_FRAMES - 1) + [True]
    assert effects[-1] == [PauseReading("c1")]
    assert hub.event_answered("c1", EventAnswer())[-1] == ResumeReading("c1")


def test_a_close_frame_waits_for_what_came_before() -> None:
    """All earlier frames are carried out before the connection ends."""
    hub = Hub("chat")
    enter(hub, handshake())
    hub.client_sent("c1", frame(type="event", event="e", data=1))
    hub.client_sent("c1", frame(type="event", event="e", data=2))
    assert hub.client_closed("c1", 1000, "bye") == []
    assert hub.client_lost("c1") == []
    assert asked(hub.event_answered("c1", EventAnswer())) == ["2"]
    effects = hub.event_answered("c1", EventAnswer())
    assert notified(effects) == [("disconnected", b'{"reason": "bye"}')]
    assert hub.connections.get("c1") is None


def test_a_lost_client_ends_at_once() -> None:
    """Unless it is reliable. Its event is withdrawn, and a late answer has no effect."""
    hub = Hub("chat")
    enter(hub, handshake(groups=("g",)))
    hub.client_sent("c1", frame(type="event", event="e", data=1))
    effects = hub.client_lost("c1")
    assert effects[0] == Withdraw("c1")
    assert notified(effects) == [("disconnected", b'{"reason": "The connection ended."}')]
    assert (bool(hub.connections.of_user("ann")), hub.groups.exists("g")) == (False, False)
    assert hub.event_answered("c1", EventAnswer(TEXT)) == []
    assert hub.client_lost("c1") == []


@pytest.mark.parametrize(
    ("code", "reason", "text"),
    [
        (1000, "bye", "bye"),
        (1000, "", "The connection ended."),
        (1001, "x", "The connection ended."),
    ],
)
def test_a_close_frame_ends_a_json_client(code: int, reason: str, text: str) -> None:
    """With any code; the app gets the reason of a normal closure only."""
    hub = Hub("chat")
    enter(hub, handshake())
    effects = hub.client_closed("c1", code, reason)
    assert notified(effects) == [("disconnected", json.dumps({"reason": text}).encode())]


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("", "Application server closed the connection."),
        ("late", "Application server closed the connection. Reason: late"),
    ],
)
def test_rest_close(reason: str, text: str) -> None:
    """A JSON client gets the reason in a frame, not in the close frame. It happens once."""
    hub = Hub("chat")
    enter(hub, handshake())
    effects = hub.endings.close("c1", reason)
    assert [json.loads(sent)["message"] for sent in sent_to("c1", effects)] == [text]
    assert effects[1] == Close("c1", 1000)
    assert notified(effects) == [("disconnected", json.dumps({"reason": text}).encode())]
    assert hub.endings.close("c1", reason) == []


def test_events_are_numbered_in_their_order() -> None:
    """connect is 0; connected, user events and disconnected count on."""
    hub = Hub("chat")
    connect = hub.client_arrived(handshake(subprotocols=(RELIABLE,)))
    connected = hub.client_opened("c1", ConnectAnswer(), "t")[-1]
    event = hub.client_sent("c1", frame(type="event", event="e", data=1))[0]
    hub.event_answered("c1", EventAnswer())
    last = hub.client_closed("c1", 1000, "bye")[0]
    events = [getattr(effect, "event", None) for effect in (connected, event, last)]
    assert [e and (e.name, e.number, e.subprotocol) for e in events] == [
        ("connected", 1, RELIABLE),
        ("e", 2, RELIABLE),
        ("disconnected", 3, RELIABLE),
    ]
    assert connect.number == 0


def test_membership_by_rest() -> None:
    """Existing connections can be added and removed; a missing one is reported."""
    hub = Hub("chat")
    enter(hub, handshake("b"))
    enter(hub, handshake("a"))
    assert [hub.groups.add(name, "g") for name in ("b", "a", "gone")] == [[], [], None]
    assert [member.id for member in hub.groups.members("g")] == ["a", "b"]
    for name in ("a", "gone", "b"):
        hub.groups.remove(name, "g")
    assert not hub.groups.exists("g")


def test_arriving_clients_take_a_place() -> None:
    """Otherwise many that connect at once would exceed the limit of the resource."""
    hub = Hub("chat")
    hub.client_arrived(handshake("c1"))
    hub.client_arrived(handshake("c2"))
    assert hub.occupied == 2
    hub.client_opened("c1", ConnectAnswer(), "token")
    hub.client_refused("c2")
    assert hub.occupied == 1
