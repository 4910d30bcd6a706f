"""Tests of hub_memberships.py: which events the app gets about groups, and when."""

import json
from collections.abc import Callable

import pytest

from unit.samples import RELIABLE, enter, handshake
from webpubsub_emulator.effects import Effect, Notify
from webpubsub_emulator.events import ConnectAnswer
from webpubsub_emulator.filters import parse_filter
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.messages import Frame

ROLES = ("webpubsub.joinLeaveGroup",)


def wanting(*names: str, group: str | None = None) -> Hub:
    """Return a hub with an event handler for these events of one group, or of all."""
    hub = Hub("chat")
    hub.memberships.is_wanted = lambda name, about: name in names and group in (None, about)
    return hub


def frame(**fields: object) -> Frame:
    """Return a JSON client's frame."""
    return Frame(json.dumps(fields).encode())


def events(effects: list[Effect] | None) -> list[tuple[str, int, str | None]]:
    """Return name, number and group of the events that the app gets."""
    notices = [effect.event for effect in effects or () if isinstance(effect, Notify)]
    return [(event.name, event.number, event.group) for event in notices]


def test_groups_at_the_start_are_joined_after_connected() -> None:
    hub = wanting("joined")
    effects = enter(hub, handshake(groups=("token",)), ConnectAnswer(groups=("a", "b")))
    assert events(effects) == [("connected", 1, None), ("joined", 2, "a"), ("joined", 3, "b")]


def test_an_event_has_its_group_and_its_connection() -> None:
    hub = wanting("joined")
    effect = enter(hub, handshake(groups=("g",)))[-1]
    assert isinstance(effect, Notify)
    event = effect.event
    assert (event.kind, event.user_id, event.payload.content) == ("gp", "ann", b'{"group": "g"}')


def test_requests_of_a_client() -> None:
    """Only if they change something. The event comes before the ack."""
    hub = wanting("joined", "left")
    enter(hub, handshake(roles=ROLES))
    join = frame(type="joinGroup", group="g", ackId=1)
    assert events(hub.client_sent("c1", join)) == [("joined", 2, "g")]
    assert events(hub.client_sent("c1", frame(type="joinGroup", group="g"))) == []
    assert events(hub.client_sent("c1", frame(type="leaveGroup", group="g"))) == [("left", 3, "g")]
    assert events(hub.client_sent("c1", frame(type="leaveGroup", group="g"))) == []


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda hub: hub.groups.add("c1", "h"), [("joined", "h")]),
        (lambda hub: hub.groups.add("c1", "g"), []),
        (lambda hub: hub.groups.remove("c1", "g"), [("left", "g")]),
        (lambda hub: hub.groups.remove("c1", "h"), []),
        (lambda hub: hub.groups.remove("gone", "g"), []),
        (lambda hub: hub.groups.remove_from_all("c1"), [("left", "a"), ("left", "g")]),
        (lambda hub: hub.groups.add_user("ann", "h"), [("joined", "h")] * 2),
        (lambda hub: hub.groups.remove_user("ann", "g"), [("left", "g")]),
        (lambda hub: hub.groups.remove_user_from_all("ann"), [("left", "a"), ("left", "g")]),
        (
            lambda hub: hub.groups.add_matching(["h", "h"], parse_filter("userId eq 'ann'")),
            [("joined", "h")] * 2,
        ),
        (lambda hub: hub.groups.remove_matching(["a", "g"], None), [("left", "a"), ("left", "g")]),
    ],
)
def test_rest_calls(
    call: Callable[[Hub], list[Effect] | None], expected: list[tuple[str, str]]
) -> None:
    """One event for each connection and each group that changes."""
    hub = wanting("joined", "left")
    enter(hub, handshake("c1", groups=("g", "a")))
    enter(hub, handshake("c2"))
    assert [(name, group) for name, _, group in events(call(hub))] == expected


def test_the_end_of_a_connection() -> None:
    """It leaves its groups before the app gets disconnected."""
    hub = wanting("left")
    enter(hub, handshake(groups=("b", "a")))
    assert events(hub.client_lost("c1")) == [
        ("left", 2, "a"),
        ("left", 3, "b"),
        ("disconnected", 4, None),
    ]


def test_a_lost_socket_leaves_no_group() -> None:
    """A reliable client leaves its groups when it can no longer recover."""
    hub = wanting("left", "joined")
    enter(hub, handshake(groups=("g",), subprotocols=(RELIABLE,)))
    assert events(hub.client_lost("c1")) == []
    assert events(hub.client_recovered("c1", "token")) == []
    hub.client_lost("c1")
    assert [name for name, *_ in events(hub.recovery.expire("c1", 2))] == ["left", "disconnected"]


def test_events_that_nobody_wants_take_no_number() -> None:
    """Neither of other groups nor with other names."""
    hub = wanting("left", group="g")
    enter(hub, handshake(groups=("g", "h")))
    assert events(hub.client_lost("c1")) == [("left", 2, "g"), ("disconnected", 3, None)]
