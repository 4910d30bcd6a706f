"""Which joins and leaves of groups an event handler gets (ARM's `groupPresenceEvents`)."""

from collections.abc import Iterable
from dataclasses import dataclass

from webpubsub_emulator.group_patterns import GroupPattern, parse_pattern

# The events of every membership ("GroupPresenceEventName" of the resource provider).
GROUP_EVENTS = ("joined", "left")


@dataclass(frozen=True, slots=True)
class GroupEvents:
    """Some of GROUP_EVENTS, of the groups that match a pattern; of all groups without one."""

    names: tuple[str, ...] = ()
    patterns: tuple[GroupPattern, ...] = ()

    @property
    def filters(self) -> tuple[str, ...]:
        """The patterns as texts."""
        return tuple(str(pattern) for pattern in self.patterns)

    def include(self, name: str, group: str | None) -> bool:
        """Return whether the event handler gets this event of this group."""
        if group is None or name not in self.names:
            return False
        return not self.patterns or any(pattern.matches(group) for pattern in self.patterns)


NO_GROUP_EVENTS = GroupEvents()


def new_group_events(names: Iterable[str], filters: Iterable[str]) -> GroupEvents:
    """Return the events with these names, in any case, of the groups that match a filter.

    Inferred: a filter has the syntax of a wildcard role. Raises ValueError.
    """
    known = tuple(name.lower() for name in names)
    for name in known:
        if name not in GROUP_EVENTS:
            raise ValueError(f"{name!r} is not a group event, which are joined and left.")
    return GroupEvents(known, tuple(_pattern(text) for text in filters))


def _pattern(text: str) -> GroupPattern:
    pattern = parse_pattern(text)
    if pattern is None:
        raise ValueError(f"{text!r} is not a pattern of group names.")
    return pattern
