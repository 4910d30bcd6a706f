"""The names that hubs, groups and user events may have."""

import re

_HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")
_EVENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")


def is_hub_name(name: str) -> bool:
    """Return whether a hub may have this name (REST specification 2024-12-01, parameter hub)."""
    return _HUB_NAME.fullmatch(name) is not None


def is_group_name(name: str) -> bool:
    """Return whether a group may have this name (REST specification 2024-12-01, group)."""
    return 1 <= len(name) <= 1024 and not name.isspace()


def is_event_name(name: str) -> bool:
    """Return whether a user event may have this name."""
    return _EVENT_NAME.fullmatch(name) is not None
