"""The settings of event handlers: which one gets which events, and their JSON form."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from webpubsub_emulator.events import Event
from webpubsub_emulator.group_events import NO_GROUP_EVENTS, GroupEvents, new_group_events
from webpubsub_emulator.hub_settings import HUB_KEYS, HubSettings, read_hub_settings
from webpubsub_emulator.json_text import parse_json
from webpubsub_emulator.names import is_hub_name

# The events of every connection (howto-develop-eventhandler).
SYSTEM_EVENTS = ("connect", "connected", "disconnected")

_PLACEHOLDER = re.compile(r"\{(hub|event)\}", re.IGNORECASE)
_HANDLER_KEYS = ("urlTemplate", "systemEvents", "userEventPattern", "groupPresenceEvents")
_LISTED_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class EventHandlerSetting:
    """One event handler of a hub. Raises ValueError if a value is invalid.

    System, user and group events are matched independently, with names in any case. The pattern is
    "*" or a list of event names with commas between them. An empty pattern matches no user event.
    """

    url_template: str = field(repr=False)  # its query may have a code in it
    system_events: tuple[str, ...] = SYSTEM_EVENTS
    user_event_pattern: str = "*"
    group_events: GroupEvents = NO_GROUP_EVENTS

    def __post_init__(self) -> None:
        check_template(self.url_template)
        check_system_events(self.system_events)
        check_pattern(self.user_event_pattern)

    def takes(self, event: Event) -> bool:
        """Return whether this event handler gets the event, if no earlier one does."""
        if event.kind == "gp":
            return self.group_events.include(event.name, event.group)
        if event.kind == "sys":
            return event.name in (name.lower() for name in self.system_events)
        names = _listed(self.user_event_pattern)
        return names == ["*"] or event.name.lower() in names

    def url(self, hub: str, event: str) -> str:
        """Return the URL, with {hub} and {event} (in any case) replaced and percent-encoded."""
        values = {"hub": quote(hub, safe=""), "event": quote(event, safe="")}
        return _PLACEHOLDER.sub(lambda found: values[found[1].lower()], self.url_template)


def check_template(template: str) -> None:
    """Raise ValueError if the URL template cannot be used (howto-develop-eventhandler)."""
    try:
        parts = urlsplit(template)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("The event handler URL is not a URL.") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("The event handler URL must start with http:// or https://.")
    if not host:
        raise ValueError("The event handler URL has no host name.")
    if "{" in parts.netloc or "}" in parts.netloc:
        raise ValueError("The event handler URL must not have a parameter in its host name.")
    if re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        raise ValueError("The event handler URL may only have two parameters: {hub} and {event}.")


def check_system_events(names: tuple[str, ...]) -> None:
    """Raise ValueError if one of the names is not a system event."""
    for name in names:
        if name.lower() not in SYSTEM_EVENTS:
            known = ", ".join(SYSTEM_EVENTS)
            raise ValueError(f"{name!r} is not a system event. There are: {known}.")


def check_pattern(pattern: str) -> None:
    """Raise ValueError if the pattern is neither "*" nor a list of event names."""
    names = _listed(pattern)
    if names != ["*"] and not all(_LISTED_NAME.fullmatch(name) for name in names):
        raise ValueError(
            f"{pattern!r} is not a user event pattern: either *, or event names "
            "with commas between them. No name may have a wildcard."
        )


def _listed(pattern: str) -> list[str]:
    names = (name.strip().lower() for name in pattern.split(","))
    return [name for name in names if name]


def check_hub_name(hub: str) -> None:
    """Raise ValueError if no hub can have this name."""
    if not is_hub_name(hub):
        raise ValueError(f"{hub!r} is not a hub name.")


class HubFile(NamedTuple):
    """What a file of settings says about one hub."""

    hub: str
    settings: HubSettings
    event_handlers: list[EventHandlerSetting]


def read_settings(text: str) -> list[HubFile]:
    """Return the hubs in a JSON text, with their event handlers in their order.

    Each hub has the form of the ARM resource Microsoft.SignalRService/webPubSub/hubs:
    {"hubs": {"chat": {"eventHandlers": [{"urlTemplate": "..."}]}}}. As in Azure, an event
    handler gets only the events that it lists. Raises ValueError, which names the place.
    """
    content = _object(parse_json(text), ("hubs",))
    with _at("hubs"):
        hubs = _object(content.get("hubs"))
    return [_read_hub(hub, value) for hub, value in hubs.items()]


def _read_hub(hub: str, value: Any) -> HubFile:
    with _at(f"hub {hub}"):
        check_hub_name(hub)
        # Differs from Azure: no `eventListeners`.
        fields = _object(value, ("eventHandlers", *HUB_KEYS))
        with _at("eventHandlers"):
            handlers = enumerate(_list(fields.get("eventHandlers", [])))
            event_handlers = [_read_handler(index, one) for index, one in handlers]
        return HubFile(hub, read_hub_settings(fields), event_handlers)


def _read_handler(index: int, value: Any) -> EventHandlerSetting:
    with _at(f"[{index}]"):
        # Differs from Azure: no `auth`. Events have no Authorization header.
        fields = _object(value, _HANDLER_KEYS)
        with _at("urlTemplate"):
            url_template = _text(fields.get("urlTemplate"))
            check_template(url_template)
        with _at("systemEvents"):
            system_events = tuple(_text(name) for name in _list(fields.get("systemEvents", [])))
            check_system_events(system_events)
        with _at("userEventPattern"):
            pattern = _text(fields.get("userEventPattern", ""))
            check_pattern(pattern)
        with _at("groupPresenceEvents"):
            group_events = _read_group_events(fields.get("groupPresenceEvents"))
    return EventHandlerSetting(url_template, system_events, pattern, group_events)


def _read_group_events(value: Any) -> GroupEvents:
    if value is None:
        return NO_GROUP_EVENTS
    fields = _object(value, ("eventNames", "groupFilters"))
    return new_group_events(_texts(fields.get("eventNames")), _texts(fields.get("groupFilters")))


def _texts(value: Any) -> list[str]:
    return [] if value is None else [_text(one) for one in _list(value)]


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Prefix the text of a ValueError with its place."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _object(value: Any, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the value if it is an object with these keys only; any keys if none are given."""
    if not isinstance(value, dict):
        raise ValueError("Must be an object.")
    for key in value:
        if keys and key not in keys:
            raise ValueError(f"{key!r} is not supported here; known: {', '.join(keys)}.")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("Must be a list.")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Must be a string.")
    return value
