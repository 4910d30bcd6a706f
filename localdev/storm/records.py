"""The app's log records of a storm: what each join came to. Only read here, from lines."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Join:
    """A join as an instance recorded it, `at` that time.

    `told` is how many joins its message was about: 0 where another's told it, None where it did
    not get that far.
    """

    instance: int
    connection_id: str
    at: float
    told: int | None
    is_sent: bool
    failure: str | None
    send_seconds: float


@dataclass
class Records:
    """Those of one storm."""

    negotiated: int = 0
    joins: list[Join] = field(default_factory=list)
    left: set[str] = field(default_factory=set)
    last_at: float = 0.0

    def add(self, instance: int, line: str, now: float) -> None:
        """Takes a line of an instance's log. A record is a JSON object behind the logger's name."""
        _, found, text = line.partition(" usher: ")
        record: dict[str, Any] = json.loads(text) if found else {}
        self.last_at = now
        match record.get("record"):
            case "negotiate":
                self.negotiated += 1
            case "join":
                self.joins.append(_read_join(record, instance, now))
            case "leave":
                self.left.add(record["connectionId"])

    def have_joined(self, connection_ids: Collection[str]) -> bool:
        """Whether there is a record of the join of each."""
        return {join.connection_id for join in self.joins}.issuperset(connection_ids)

    def sending(self) -> list[float]:
        """Seconds until the service had accepted a message, for each that it did."""
        return [join.send_seconds for join in self.joins if join.is_sent]

    def told(self) -> int:
        """How many joins were told of, by messages that the service accepted."""
        return sum(join.told or 0 for join in self.joins if join.is_sent)

    def told_by_instance(self) -> list[int]:
        """The same, instance by instance."""
        told: Counter[int] = Counter()
        for join in self.joins:
            told[join.instance] += (join.told or 0) if join.is_sent else 0
        return [told[instance] for instance in sorted(told)]

    def reasons(self, connection_ids: Collection[str]) -> Counter[str]:
        """Why joins were not told of, and of how many that is so."""
        reasons: Counter[str] = Counter()
        by_connection: defaultdict[str, list[Join]] = defaultdict(list)
        for join in self.joins:
            by_connection[join.connection_id].append(join)
            if join.told and not join.is_sent:
                reasons[f"send: {join.failure}"] += join.told
        for connection_id in connection_ids:
            if all(join.told is None for join in by_connection[connection_id]):
                reasons[_explain(by_connection[connection_id])] += 1
        return reasons


def _explain(joins: list[Join]) -> str:
    return f"add: {joins[-1].failure}" if joins else "no record"


def _read_join(record: dict[str, Any], instance: int, now: float) -> Join:
    return Join(
        instance=instance,
        connection_id=record["connectionId"],
        at=now,
        told=record.get("announced"),
        is_sent=record["sendStatus"] == 202,
        failure=record.get("failure"),
        send_seconds=record.get("sendMilliseconds", 0) / 1000,
    )
