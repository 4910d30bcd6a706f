"""Tests of inspection.py."""

import json

from unit.samples import RELIABLE, enter, handshake
from webpubsub_emulator.events import ConnectAnswer
from webpubsub_emulator.faults import Faults, parse_fault
from webpubsub_emulator.group_events import new_group_events
from webpubsub_emulator.handler_settings import EventHandlerSetting
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.inspection import (
    describe_faults,
    describe_handlers,
    describe_hub,
    describe_journal,
)
from webpubsub_emulator.journal import CallRecord, EventRecord, Journal


def test_a_hub() -> None:
    """Connections sorted by id with their facts, and the members of the groups."""
    hub = Hub("chat")
    roles = ("webpubsub.sendToGroup.g", "webpubsub.joinLeaveGroups.a.*")
    opening = handshake("c2", roles=roles, groups=("g", "f"), subprotocols=(RELIABLE,))
    enter(hub, opening, ConnectAnswer(connection_state="a secret state"))
    enter(hub, handshake("c1", user_id=None, groups=("g",), subprotocols=()))
    hub.client_lost("c2")
    (opened,) = (one for one in hub.connections.everyone() if one.id == "c2")
    opened.opened_at = 90.5
    nothing = {"anyGroup": False, "patterns": [], "groups": {}}
    assert describe_hub(hub) == {
        "connections": [
            {
                "id": "c1",
                "userId": None,
                "opened": None,
                "subprotocol": None,
                "socket": "attached",
                "groups": ["g"],
                "permissions": {"joinLeaveGroup": nothing, "sendToGroup": nothing},
                "hasState": False,
            },
            {
                "id": "c2",
                "userId": "ann",
                "opened": "1970-01-01T00:01:30Z",
                "subprotocol": RELIABLE,
                "socket": "waiting for recovery",
                "groups": ["f", "g"],
                "permissions": {
                    "joinLeaveGroup": nothing | {"patterns": ["a.*"]},
                    "sendToGroup": nothing | {"groups": {"g": True}},
                },
                "hasState": True,
            },
        ],
        "groups": {"f": ["c2"], "g": ["c1", "c2"]},
    }


def test_secrets_stay_inside() -> None:
    """No connection state, cookie or reconnection token is shown."""
    hub = Hub("chat")
    enter(hub, handshake(), ConnectAnswer(connection_state="a secret state"))
    connection = hub.connections.get("c1")
    assert connection is not None
    connection.cookies.keep("http://127.0.0.1/", ["key=crumbs"])
    shown = json.dumps(describe_hub(hub))
    assert "c1" in shown
    for secret in ("secret state", "crumbs", '"token"'):
        assert secret not in shown


def test_event_handlers() -> None:
    """In the form of the settings file, without the query of the URL."""
    setting = EventHandlerSetting("http://127.0.0.1:7071/{event}?code=secret", ("connect",), "")
    handler = {"urlTemplate": "http://127.0.0.1:7071/{event}", "systemEvents": ["connect"]}
    nothing = {"userEventPattern": "", "groupPresenceEvents": None}
    assert describe_handlers({"chat": [setting]}) == {"chat": [handler | nothing]}


def test_group_events() -> None:
    setting = EventHandlerSetting("http://app/", group_events=new_group_events(["Joined"], ["g*"]))
    (described,) = describe_handlers({"chat": [setting]})["chat"]
    events = {"eventNames": ["joined"], "groupFilters": ["g*"]}
    assert described["groupPresenceEvents"] == events


def test_faults() -> None:
    """In the form that can be read again, each with its count."""
    faults = Faults([parse_fault("rest-slow:ms=1"), parse_fault("event-lost")], 5)
    faults.strike("event-lost")
    assert describe_faults(faults) == {
        "seed": 5,
        "faults": [
            {"fault": "rest-slow:ms=1,rate=1.0", "happened": 0},
            {"fault": "event-lost:rate=1.0", "happened": 1},
        ],
    }


def test_the_journal() -> None:
    """Events and calls, oldest first."""
    journal = Journal()
    journal.events.append(EventRecord("t", "chat", "c1", "connected", "1", None, "timeout", 4))
    journal.calls.append(CallRecord("t", "PUT", "/api/x", 200))
    event = {"time": "t", "hub": "chat", "connection": "c1", "name": "connected", "ceId": "1"}
    assert describe_journal(journal) == {
        "events": [event | {"status": None, "failure": "timeout", "attempts": 4}],
        "calls": [{"time": "t", "method": "PUT", "path": "/api/x", "status": 200}],
    }
