"""A storm that went well, for tests to spoil."""

from dataclasses import replace
from typing import Any

from localdev.storm.outcome import Outcome

CALM = Outcome(
    joins=100,
    seconds=0.5,
    failures={},
    members=100,
    missing=0,
    told=100,
    told_by_instance=[100],
    untold={},
    first_heard=100,
    announcements=8,
    deliveries=600,
    doubles=0,
    repeated=0,
    quiet_seconds=1.2,
    stages={"negotiate": (0.01, 0.04), "open, with connect": None},
    faults={},
)


def spoil(**fields: Any) -> Outcome:
    """The same with other figures."""
    return replace(CALM, **fields)
