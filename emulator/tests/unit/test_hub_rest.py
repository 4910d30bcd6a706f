"""Tests of hub_groups.py, hub_sending.py and hub_endings.py: what REST calls do."""

import json
from collections.abc import Callable

import pytest

from unit.samples import enter, handshake, notified, sent_to
from webpubsub_emulator.effects import Close, Effect, Send
from webpubsub_emulator.events import ConnectAnswer
from webpubsub_emulator.filters import FilterError, parse_filter
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.messages import Frame, Payload

TEXT = Payload("text", b"hello")
ANN = parse_filter("userId eq 'ann'")
LATE_MISTAKE = parse_filter("contains(userId, 1)")


def hub_of_three() -> Hub:
    """Return a hub with Ann's connections c1 and c3, and Bob's c2; c1 and c2 are in group g."""
    hub = Hub("chat")
    enter(hub, handshake("c1", groups=("g",)))
    enter(hub, handshake("c2", user_id="bob", groups=("g",)))
    enter(hub, handshake("c3", subprotocols=()))
    return hub


def members(hub: Hub, group: str) -> list[str]:
    """Return the connection ids of a group's members."""
    return [member.id for member in hub.groups.members(group)]


@pytest.mark.parametrize(
    ("effects_of", "receivers"),
    [
        (lambda hub: hub.sending.to_all(TEXT, (), ANN), ["c1", "c3"]),
        (lambda hub: hub.sending.to_all(TEXT, {"c1"}, ANN), ["c3"]),
        (lambda hub: hub.sending.to_all(TEXT, (), parse_filter("false")), []),
        (lambda hub: hub.sending.to_group("g", TEXT, (), ANN), ["c1"]),
        (lambda hub: hub.sending.to_group("g", TEXT, {"c1"}, ANN), []),
        (lambda hub: hub.sending.to_user("ann", TEXT, parse_filter("'g' in groups")), ["c1"]),
        (lambda hub: hub.sending.to_all(TEXT, (), parse_filter("protocol eq null")), ["c3"]),
        (lambda hub: hub.sending.to_all(TEXT, (), parse_filter("connectionId eq 'c2'")), ["c2"]),
    ],
)
def test_filters_and_exclusions(
    effects_of: Callable[[Hub], list[Effect]], receivers: list[str]
) -> None:
    """A send reaches the matching part of its audience without the excluded connections."""
    sends = [effect for effect in effects_of(hub_of_three()) if isinstance(effect, Send)]
    assert [send.connection_id for send in sends] == receivers


def test_a_late_mistake_in_a_filter_changes_nothing() -> None:
    """A filter that fails on one connection stops the call before its first change."""
    hub = hub_of_three()
    calls: list[Callable[[], list[Effect]]] = [
        lambda: hub.groups.add_matching(["h"], LATE_MISTAKE),
        lambda: hub.groups.remove_matching(["g"], LATE_MISTAKE),
        lambda: hub.sending.to_all(TEXT, (), LATE_MISTAKE),
    ]
    for call in calls:
        with pytest.raises(FilterError):
            call()
    assert (members(hub, "g"), members(hub, "h")) == (["c1", "c2"], [])


@pytest.mark.parametrize(
    ("close", "closed"),
    [
        (lambda hub: hub.endings.close_all("", ()), ["c1", "c2", "c3"]),
        (lambda hub: hub.endings.close_all("", {"c1", "c2,c3"}), ["c2", "c3"]),
        (lambda hub: hub.endings.close_group("g", "", {"c2"}), ["c1"]),
        (lambda hub: hub.endings.close_group("none", "", ()), []),
        (lambda hub: hub.endings.close_user("ann", "", ()), ["c1", "c3"]),
        (lambda hub: hub.endings.close_user("ann", "", {"c1"}), ["c3"]),
        (lambda hub: hub.endings.close("c2", ""), ["c2"]),
    ],
)
def test_closing(close: Callable[[Hub], list[Effect]], closed: list[str]) -> None:
    """The selected connections end with 1000 and an event; excluded ones stay."""
    hub = hub_of_three()
    effects = close(hub)
    assert [(e.connection_id, e.code) for e in effects if isinstance(e, Close)] == [
        (name, 1000) for name in closed
    ]
    assert [name for name, _ in notified(effects)] == ["disconnected"] * len(closed)
    left = [name for name in ("c1", "c2", "c3") if hub.connections.get(name)]
    assert left == sorted({"c1", "c2", "c3"} - set(closed))


def test_the_reason_of_a_close() -> None:
    """JSON clients get it before the close, simple ones do not, and the app gets it always."""
    hub = hub_of_three()
    effects = hub.endings.close_user("ann", "late", ())
    text = "Application server closed the connection. Reason: late"
    assert json.loads(sent_to("c1", effects)[0])["message"] == text
    assert sent_to("c3", effects) == []
    assert [json.loads(body)["reason"] for _, body in notified(effects)] == [text, text]


def test_memberships_of_a_user() -> None:
    """Present connections are added, later ones are not; an unknown user is reported."""
    hub = hub_of_three()
    assert hub.groups.add_user("ann", "h") == []
    assert hub.groups.add_user("Ann", "h") is None
    enter(hub, handshake("c4"))
    assert members(hub, "h") == ["c1", "c3"]
    hub.groups.remove_user("ann", "h")
    assert not hub.groups.exists("h")
    hub.groups.add_user("ann", "h")
    hub.groups.remove_user_from_all("ann")
    hub.groups.remove_user_from_all("nobody")
    assert (members(hub, "g"), members(hub, "h")) == (["c2"], [])


def test_all_memberships_of_a_connection() -> None:
    """Only this connection leaves all its groups; an unknown one is ignored."""
    hub = hub_of_three()
    hub.groups.add("c1", "h")
    hub.groups.remove_from_all("c1")
    hub.groups.remove_from_all("gone")
    assert (members(hub, "g"), members(hub, "h")) == (["c2"], [])


def test_memberships_of_many() -> None:
    """All connections, or all that a filter matches; repeated calls change nothing."""
    hub = hub_of_three()
    hub.groups.add_matching(["g", "h", "h"], None)
    assert (members(hub, "g"), members(hub, "h")) == (["c1", "c2", "c3"], ["c1", "c2", "c3"])
    hub.groups.remove_matching(["g", "none"], ANN)
    assert (members(hub, "g"), members(hub, "h")) == (["c2"], ["c1", "c2", "c3"])
    hub.groups.add_matching(["i"], parse_filter("false"))
    assert not hub.groups.exists("i")


def test_permissions_are_changed_at_once_and_alone() -> None:
    """The next frame has the new permissions; memberships do not change."""
    hub = hub_of_three()
    permissions = hub.groups.permissions("c1")
    assert permissions is not None
    join = Frame(b'{"type":"joinGroup","group":"h","ackId":1}')
    assert "Forbidden" in sent_to("c1", hub.client_sent("c1", join))[0]
    permissions.grant("joinLeaveGroup", "h")
    assert '"success":true' in sent_to("c1", hub.client_sent("c1", join))[0]
    permissions.revoke("joinLeaveGroup", "h")
    assert members(hub, "h") == ["c1"]
    hub.groups.remove("c1", "g")
    permissions.grant("sendToGroup", "g")
    assert permissions.allow("sendToGroup", "g")
    assert hub.groups.permissions("gone") is None


@pytest.mark.parametrize("name", ["c1", "c3"])
def test_a_hidden_connection(name: str) -> None:
    """Calls that name the connection or its user do not find it; it still gets group messages."""
    hub = hub_of_three()
    hub.groups.add(name, "h")
    hub.connections.hide(name)
    assert hub.connections.find(name) is None
    assert hub.groups.add(name, "i") is None
    assert hub.groups.permissions(name) is None
    hub.groups.remove(name, "h")
    hub.groups.remove_from_all(name)
    assert hub.sending.to_connection(name, TEXT) == []
    assert hub.endings.close(name, "") == []
    (other,) = {"c1", "c3"} - {name}
    assert hub.groups.add_user("ann", "i") == []
    assert members(hub, "i") == [other]
    assert receivers_of(hub.sending.to_user("ann", TEXT)) == [other]
    assert members(hub, "h") == [name]
    assert receivers_of(hub.sending.to_group("h", TEXT, ())) == [name]
    assert receivers_of(hub.sending.to_all(TEXT, ())) == ["c1", "c2", "c3"]


def test_a_revealed_connection() -> None:
    """Every call finds it; the end of a connection also ends its hiding."""
    hub = hub_of_three()
    hub.connections.hide("c2")
    assert not bool(hub.connections.of_user("bob"))
    hub.connections.reveal("c2")
    assert hub.connections.find("c2") is not None
    assert hub.connections.of_user("bob")
    hub.connections.hide("c2")
    hub.client_dropped("c2")
    enter(hub, handshake("c2", user_id="bob"))
    assert hub.connections.of_user("bob")
    hub.connections.reveal("never there")


def test_a_hub_that_forgets() -> None:
    """Connections, users and groups are gone; a client that was arriving is accepted."""
    hub = hub_of_three()
    hub.client_arrived(handshake("c4"))
    hub.connections.clear()
    assert list(hub.connections.everyone()) == []
    found = [
        bool(hub.connections.of_user("ann")),
        hub.groups.exists("g"),
        (hub.connections.find("c1") is not None),
    ]
    assert not any(found)
    assert hub.client_lost("c1") == []
    hub.client_opened("c4", ConnectAnswer(), "token")
    assert [connection.id for connection in hub.connections.everyone()] == ["c4"]


def receivers_of(effects: list[Effect]) -> list[str]:
    """Return the ids of the receivers."""
    return sorted(effect.connection_id for effect in effects if isinstance(effect, Send))
