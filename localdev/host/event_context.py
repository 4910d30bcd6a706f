"""Reads the headers of an event request: its CloudEvents attributes and the connection's states.

The values that parameters receive are in events.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from localdev.host.bindings import Headers, group_headers
from localdev.host.states import decode_states

# HttpContentHeaders of .NET: .NET keeps these with the content, where the extension does not look.
CONTENT_HEADERS = frozenset(
    (
        "allow",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-location",
        "content-md5",
        "content-range",
        "content-type",
        "expires",
        "last-modified",
    )
)


class EventKind(StrEnum):
    """The kinds of events; the service waits for the responses to the first two."""

    CONNECT = "connect"
    USER = "user"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    OTHER = "other"

    @property
    def is_blocking(self) -> bool:
        """Whether the service waits for what the function returns."""
        return self in (EventKind.CONNECT, EventKind.USER)


@dataclass(frozen=True, slots=True)
class EventContext:
    """The CloudEvents attributes of one event request, from its headers."""

    event_type: str
    event_name: str
    hub: str
    connection_id: str
    user_id: str | None
    signature: str | None = field(repr=False)
    origin: str
    states: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, Sequence[str]] = field(repr=False)
    content_type: str = ""
    is_mqtt: bool = False

    @property
    def kind(self) -> EventKind:
        """The kind of the event; the names of system events are case-insensitive."""
        if self.event_type == "User":
            return EventKind.USER
        name = self.event_name.lower()
        return EventKind(name) if name in _SYSTEM_KINDS else EventKind.OTHER


_SYSTEM_KINDS = (EventKind.CONNECT, EventKind.CONNECTED, EventKind.DISCONNECTED)


class ContextError(ValueError):
    """A required header is missing, repeated or cannot be decoded."""


def read_context(headers: Headers) -> EventContext:
    """Return an event's attributes; raises ContextError when the real extension responds 400.

    Source: Microsoft.Azure.WebJobs.Extensions.WebPubSub WebPubSubTriggerDispatcher.cs
    (TryParseCloudEvents).
    """
    grouped = group_headers(headers)
    values = {name.lower(): found for name, found in grouped.items()}
    if "webhook-request-origin" not in values:
        raise ContextError("no webhook-request-origin")
    # Only the prefix of ce-type counts; the name of the event is in ce-eventName.
    is_system = _required(values, "ce-type").lower().startswith("azure.webpubsub.sys.")
    return EventContext(
        event_type="System" if is_system else "User",
        event_name=_required(values, "ce-eventname"),
        hub=_required(values, "ce-hub"),
        connection_id=_required(values, "ce-connectionid"),
        user_id=_optional(values, "ce-userid"),
        signature=_joined(values, "ce-signature"),
        origin=",".join(values["webhook-request-origin"]),
        states=_states(values),
        headers=_visible(grouped),
        content_type=_joined(values, "content-type") or "",
        is_mqtt=_is_mqtt(values),
    )


def _visible(grouped: Mapping[str, list[str]]) -> dict[str, list[str]]:
    # Differs from Azure: .NET splits the values of some headers, such as Accept, into items.
    return {name: found for name, found in grouped.items() if name.lower() not in CONTENT_HEADERS}


def _required(values: Mapping[str, list[str]], name: str) -> str:
    found = values.get(name, ())
    if len(found) != 1:
        raise ContextError(f"{name} must be there once")
    return found[0]


def _optional(values: Mapping[str, list[str]], name: str) -> str | None:
    return _required(values, name) if name in values else None


def _joined(values: Mapping[str, list[str]], name: str) -> str | None:
    return ",".join(values[name]) if name in values else None


def _is_mqtt(values: Mapping[str, list[str]]) -> bool:
    return "mqtt" in values.get("ce-subprotocol", ()) and "ce-physicalconnectionid" in values


def _states(values: Mapping[str, list[str]]) -> dict[str, Any]:
    header = _optional(values, "ce-connectionstate") or ""
    try:
        return decode_states(header)
    except ValueError:
        raise ContextError("ce-connectionstate cannot be decoded") from None
