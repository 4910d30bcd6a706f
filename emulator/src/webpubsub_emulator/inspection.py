"""The state of an emulator as JSON values. Without tokens, connection states, cookies and keys."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from webpubsub_emulator.connection import Connection
from webpubsub_emulator.faults import Faults
from webpubsub_emulator.group_events import GroupEvents
from webpubsub_emulator.handler_settings import EventHandlerSetting
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.journal import CallRecord, EventRecord, Journal
from webpubsub_emulator.permissions import ACTIONS


def describe_hub(hub: Hub) -> dict[str, Any]:
    """Return the connections of a hub, and the connection ids of each group."""
    connections = sorted(hub.connections.everyone(), key=lambda connection: connection.id)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for connection in connections:
        for group in connection.groups:
            groups[group].append(connection.id)
    return {
        "connections": [_describe_connection(connection) for connection in connections],
        "groups": dict(sorted(groups.items())),
    }


def _describe_connection(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.id,
        "userId": connection.user_id,
        "opened": _describe_time(connection.opened_at),
        "subprotocol": connection.subprotocol,
        "socket": "attached" if connection.is_attached else "waiting for recovery",
        "groups": sorted(connection.groups),
        "permissions": {action: connection.permissions.rules(action) for action in ACTIONS},
        "hasState": connection.connection_state is not None,
    }


def _describe_time(seconds: float | None) -> str | None:
    """Return the second in UTC, as ISO 8601."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe_handlers(
    settings: Mapping[str, Sequence[EventHandlerSetting]],
) -> dict[str, list[dict[str, Any]]]:
    """Return the event handlers of each hub, in the form of the ARM resource."""
    return {hub: [_describe_handler(one) for one in each] for hub, each in settings.items()}


def _describe_handler(setting: EventHandlerSetting) -> dict[str, Any]:
    return {
        # Without its query, which may contain a secret code.
        "urlTemplate": setting.url_template.partition("?")[0],
        "systemEvents": list(setting.system_events),
        "userEventPattern": setting.user_event_pattern,
        "groupPresenceEvents": _describe_group_events(setting.group_events),
    }


def _describe_group_events(events: GroupEvents) -> dict[str, Any] | None:
    if not events.names:
        return None
    return {"eventNames": list(events.names), "groupFilters": list(events.filters)}


def describe_faults(faults: Faults) -> dict[str, Any]:
    """Return the active faults, and how often each has happened."""
    return {
        "seed": faults.seed,
        "faults": [{"fault": str(fault), "happened": count} for fault, count in faults.counts()],
    }


def describe_journal(journal: Journal) -> dict[str, Any]:
    """Return the last events and calls, oldest first."""
    return {
        "events": [_describe_event(record) for record in journal.events],
        "calls": [_describe_call(record) for record in journal.calls],
    }


def _describe_event(record: EventRecord) -> dict[str, Any]:
    return {
        "time": record.time,
        "hub": record.hub,
        "connection": record.connection,
        "name": record.name,
        "ceId": record.ce_id,
        "status": record.status,
        "failure": record.failure,
        "attempts": record.attempts,
    }


def _describe_call(record: CallRecord) -> dict[str, Any]:
    return {
        "time": record.time,
        "method": record.method,
        "path": record.path,
        "status": record.status,
    }
