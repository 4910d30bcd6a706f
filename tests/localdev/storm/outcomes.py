"""The outcome of a storm without failures, and variants of it."""

from dataclasses import replace
from typing import Any

from localdev.storm.outcome import Outcome

CALM = Outcome(
    joins=100,
    seconds=0.5,
    failures={},
    members=100,
    missing=0,
    announced=100,
    announced_by_instance=[100],
    unannounced={},
    first_heard=100,
    announcements=8,
    deliveries=600,
    doubles=0,
    repeated=0,
    quiet_seconds=1.2,
    lists=0,
    wrong=0,
    stages={"negotiate": (0.01, 0.04), "open, with connect": None},
    faults={},
)


def changed(**fields: Any) -> Outcome:
    """Return the outcome with other figures."""
    return replace(CALM, **fields)
