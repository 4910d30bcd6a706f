"""The connections of a group, as the service lists them at a moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class GroupList:
    """The list of a group. `connections` has the user id of each connection id, "" without one.

    `as_of` is the `Date` of the service's answer, in whole seconds. `truncated` is True if the
    group has more connections than were read.
    """

    as_of: datetime
    connections: Mapping[str, str]
    truncated: bool
