"""Tests of hub_group_states.py."""

import json
from typing import Any

import pytest

from unit.samples import JSON, RELIABLE, enter, handshake, sent_to
from webpubsub_emulator.effects import Close, Effect
from webpubsub_emulator.frame_queue import FRAME_LIMIT
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.messages import Frame, Payload

ROLES = ("webpubsub.setGroupState", "webpubsub.getGroupState", "webpubsub.joinLeaveGroup")


def opened(subprotocol: str = JSON) -> Hub:
    """Return a hub with the clients c1 and c2 in group g. The clock stands still."""
    hub = Hub("chat")
    hub.group_states.clock = lambda: 1_000
    enter(hub, handshake("c1", roles=ROLES, groups=("g",), subprotocols=(subprotocol,)))
    enter(hub, handshake("c2", user_id=None, roles=ROLES, groups=("g",)))
    return hub


def send(hub: Hub, client: str, kind: str, **fields: object) -> list[Effect]:
    """Send a frame about the group g."""
    request = {"type": kind, "group": "g"} | fields
    return hub.client_sent(client, Frame(json.dumps(request).encode()))


def frames(effects: list[Effect], client: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in sent_to(client, effects)]


def states(effects: list[Effect], client: str) -> list[tuple[str, dict[str, Any]]]:
    """Return kind and states (by connection id) of the frames that a client gets."""
    return [
        (one["type"], {item["connectionId"]: item.get("state") for item in one["items"]})
        for one in frames(effects, client)
        if "items" in one
    ]


def test_a_subscriber_gets_a_snapshot_and_updates() -> None:
    """The snapshot comes after the ack; updates have only what changed."""
    hub = opened()
    send(hub, "c2", "setGroupState", state={"status": "busy"})
    ack, snapshot = frames(send(hub, "c1", "subscribeGroupState", ackId=1), "c1")
    assert ack == {"type": "ack", "ackId": 1, "success": True}
    item = {"connectionId": "c2", "state": {"status": "busy"}, "updatedAt": 1000}
    assert snapshot == {"type": "groupStateSnapshot", "group": "g", "items": [item]}
    (update,) = frames(send(hub, "c1", "setGroupState", state={}), "c1")
    own = {"connectionId": "c1", "userId": "ann", "state": {}, "updatedAt": 1001}
    assert update == {"type": "groupStateUpdate", "group": "g", "items": [own]}
    later = send(hub, "c2", "subscribeGroupState")
    assert states(later, "c2") == [("groupStateSnapshot", {"c1": {}, "c2": {"status": "busy"}})]


def test_a_state_that_is_cleared() -> None:
    """Subscribers get an item without a state, once."""
    hub = opened()
    send(hub, "c1", "subscribeGroupState")
    send(hub, "c2", "setGroupState", state={"a": "b"})
    for clear in ({}, {"state": None}):
        send(hub, "c2", "setGroupState", state={"a": "b"})
        effects = send(hub, "c2", "setGroupState", **clear)
        assert states(effects, "c1") == [("groupStateUpdate", {"c2": None})]
        assert "state" not in frames(effects, "c1")[0]["items"][0]
    assert states(send(hub, "c2", "setGroupState"), "c1") == []
    assert states(send(hub, "c1", "subscribeGroupState"), "c1") == [("groupStateSnapshot", {})]


def test_times_increase() -> None:
    """Clients ignore a state that is not newer than the one before."""
    hub = opened()
    send(hub, "c1", "subscribeGroupState")
    effects = [*send(hub, "c2", "setGroupState", state={}), *send(hub, "c2", "setGroupState")]
    times = [one["items"][0]["updatedAt"] for one in frames(effects, "c1")]
    assert times == [1_000, 1_001]


def test_unsubscribing() -> None:
    hub = opened()
    send(hub, "c1", "subscribeGroupState")
    ack = frames(send(hub, "c1", "unsubscribeGroupState", ackId=1), "c1")
    assert ack == [{"type": "ack", "ackId": 1, "success": True}]
    assert send(hub, "c2", "setGroupState", state={}) == []
    assert frames(send(hub, "c1", "unsubscribeGroupState", ackId=2), "c1")[0]["success"]


@pytest.mark.parametrize("leave", ["client", "rest", "end"])
def test_a_connection_that_leaves_has_no_state(leave: str) -> None:
    hub = opened()
    send(hub, "c1", "subscribeGroupState")
    send(hub, "c2", "setGroupState", state={"a": "b"})
    if leave == "client":
        effects = send(hub, "c2", "leaveGroup")
    elif leave == "rest":
        effects = hub.groups.remove("c2", "g")
    else:
        effects = hub.client_lost("c2")
    assert states(effects, "c1") == [("groupStateUpdate", {"c2": None})]
    assert states(send(hub, "c1", "subscribeGroupState"), "c1") == [("groupStateSnapshot", {})]


def test_a_subscriber_that_ends_gets_nothing_more() -> None:
    """Not even the end of its own state."""
    hub = opened()
    send(hub, "c1", "subscribeGroupState")
    send(hub, "c1", "setGroupState", state={})
    assert frames(hub.client_lost("c1"), "c1") == []
    assert send(hub, "c2", "setGroupState", state={}) == []


@pytest.mark.parametrize(
    ("kind", "role"),
    [("setGroupState", "setGroupState"), ("subscribeGroupState", "getGroupState")],
)
def test_roles(kind: str, role: str) -> None:
    """For any group, one group, or a pattern. Without one the request is forbidden."""
    hub = Hub("chat")
    for name, roles in {
        "any": (f"webpubsub.{role}",),
        "one": (f"webpubsub.{role}.g",),
        "pattern": (f"webpubsub.{role}s.*",),
        "other": (f"webpubsub.{role}.h", "webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"),
        "none": (),
    }.items():
        enter(hub, handshake(name, roles=roles, groups=("g",)))
        (ack, *_) = frames(send(hub, name, kind, state={}, ackId=1), name)
        assert ack["success"] is (name in ("any", "one", "pattern"))
        assert ack.get("error", {"name": "Forbidden"})["name"] == "Forbidden"


def test_a_state_needs_a_membership() -> None:
    hub = opened()
    send(hub, "c1", "leaveGroup")
    (ack,) = frames(send(hub, "c1", "setGroupState", state={}, ackId=1), "c1")
    assert ack["error"] == {"name": "Forbidden", "message": "The client is not in group 'g'."}
    assert len(send(hub, "c1", "subscribeGroupState")) == 1


def test_ack_ids_are_remembered() -> None:
    hub = opened()
    send(hub, "c1", "setGroupState", state={}, ackId=1)
    (ack,) = frames(send(hub, "c1", "setGroupState", state={}, ackId=1), "c1")
    assert ack["error"]["name"] == "Duplicate"


def test_a_reliable_subscriber() -> None:
    """Snapshot and updates are numbered with its other messages, and sent again."""
    hub = opened(RELIABLE)
    hub.sending.to_connection("c1", Payload("text", b"x"))
    send(hub, "c1", "subscribeGroupState")
    hub.client_lost("c1")
    send(hub, "c2", "setGroupState", state={})
    again = frames(hub.client_recovered("c1", "token"), "c1")
    assert [(one["type"], one["sequenceId"]) for one in again] == [
        ("message", 1),
        ("groupStateSnapshot", 2),
        ("groupStateUpdate", 3),
    ]


def test_an_update_that_ends_its_own_sender() -> None:
    """A client that is subscribed, and leaves its state behind, ends once."""
    hub = opened(RELIABLE)
    send(hub, "c1", "subscribeGroupState")
    for _ in range(FRAME_LIMIT - 1):
        hub.sending.to_connection("c1", Payload("text", b"x"))
    effects = send(hub, "c1", "setGroupState", state={})
    assert [one.code for one in effects if isinstance(one, Close)] == [1008]
    assert hub.connections.get("c1") is None


def test_a_forgotten_hub_has_no_states() -> None:
    hub = opened()
    send(hub, "c2", "setGroupState", state={})
    hub.forget_everyone()
    enter(hub, handshake("c1", roles=ROLES))
    assert states(send(hub, "c1", "subscribeGroupState"), "c1") == [("groupStateSnapshot", {})]
