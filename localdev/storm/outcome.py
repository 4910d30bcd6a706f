"""Plan and outcome of storms, with the log records that the outcome is based on. Does no I/O."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from webpubsub_emulator import Fault

type Percentiles = tuple[float, float]  # p50 and p99

PRESENCE = "presence"  # the format whose messages have the users of the group
MOST_LISTED_USERS = 200  # a longer list is truncated, and then has no count


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of a run: a run has `rounds` storms on one stack."""

    users: int
    rate: float
    format: str
    faults: tuple[Fault, ...]
    seed: int
    rounds: int
    instances: int
    has_digest: bool = True

    @property
    def name(self) -> str:
        """The run's column in the report."""
        return f"digest {'on' if self.has_digest else 'off'}"

    @property
    def distinct_users(self) -> int:
        """How many users the clients belong to: in presence format they are tabs of at most 200."""
        return min(self.users, MOST_LISTED_USERS) if self.format == PRESENCE else self.users

    @property
    def settings(self) -> dict[str, str]:
        """The app settings that differ from the sample settings."""
        digest = {} if self.has_digest else {"USHER_DIGEST_ABOVE": "0"}
        return {"USHER_ANNOUNCEMENT_FORMAT": self.format, "LOG_LEVEL": "INFO", **digest}


@dataclass(frozen=True, slots=True)
class Join:
    """A join as an instance recorded it at the time `at`.

    `announced` counts the joins in this join's message: 0 means that another message covered it,
    None that the workflow failed before the announcement.
    """

    instance: int
    connection_id: str
    at: float
    announced: int | None
    is_sent: bool
    failure: str | None
    send_seconds: float
    messages: int
    lists: int = 0


@dataclass(slots=True)
class Records:
    """The log records of one storm, of all instances."""

    negotiated: int = 0
    joins: list[Join] = field(default_factory=list)
    left: set[str] = field(default_factory=set)
    last_at: float = 0.0

    def add(self, instance: int, line: str, now: float) -> None:
        """Add a line of an instance's log. A record is a JSON object behind the logger's name."""
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
        """Return whether every connection has a record of its join."""
        return {join.connection_id for join in self.joins}.issuperset(connection_ids)

    def send_seconds(self) -> list[float]:
        """Return how long the service took to accept each message that it accepted."""
        return [join.send_seconds for join in self.joins if join.is_sent]

    def messages(self) -> int:
        """Return how many messages the service accepted for the group."""
        return sum(join.messages for join in self.joins)

    def lists(self) -> int:
        """Return how often the group was listed."""
        return sum(join.lists for join in self.joins)

    def announced(self) -> int:
        """Return how many joins the accepted messages announced."""
        return sum(self.announced_by_instance())

    def announced_by_instance(self) -> list[int]:
        counts: Counter[int] = Counter()
        for join in self.joins:
            counts[join.instance] += (join.announced or 0) if join.is_sent else 0
        return [counts[instance] for instance in sorted(counts)]

    def unannounced(self, connection_ids: Collection[str]) -> Counter[str]:
        """Return how many joins were not announced, by reason."""
        reasons: Counter[str] = Counter()
        by_connection: defaultdict[str, list[Join]] = defaultdict(list)
        for join in self.joins:
            by_connection[join.connection_id].append(join)
            if join.announced and not join.is_sent:
                reasons[f"send: {join.failure}"] += join.announced
        for connection_id in connection_ids:
            if all(join.announced is None for join in by_connection[connection_id]):
                reasons[_explain(by_connection[connection_id])] += 1
        return reasons


@dataclass(frozen=True, slots=True)
class Use:
    """The resident memory of a process in MB of 1,048,576 bytes, and its CPU seconds so far."""

    megabytes: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Usage:
    """Memory and CPU of each instance of the app, and of the emulator."""

    hosts: list[Use]
    emulator: Use


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one storm; the fields are members of the JSON report. Times are seconds.

    `unannounced` counts the joins without an announcement, by reason. `first_heard` is the number
    of joins that the first client received, or None if its connection closed. `doubles` are
    deliveries that a client dropped as duplicates, and `repeated` are users that a client showed
    twice although it drops duplicates. `lists` is how often the app listed the group for presence
    messages, and `wrong` the number of clients that then show other users, or other numbers of
    connections, than the service. `stages` has the duration of each step of a join.
    """

    joins: int
    seconds: float
    failures: Mapping[str, int]
    members: int
    missing: int
    announced: int
    announced_by_instance: list[int]
    unannounced: Mapping[str, int]
    first_heard: int | None
    announcements: int
    deliveries: int
    doubles: int
    repeated: int
    quiet_seconds: float
    lists: int
    wrong: int
    stages: Mapping[str, Percentiles | None]
    faults: Mapping[str, int]

    def complaints(self, *, may_fail: bool, may_be_unannounced: bool) -> list[str]:
        """Return what is wrong.

        With faults, clients may fail and duplicates may arrive (`may_fail`), and joins may stay
        unannounced (`may_be_unannounced`).
        """
        failures, unannounced = sum(self.failures.values()), sum(self.unannounced.values())
        most = self.joins + failures  # the app may have seen a client that failed afterwards
        received = self.announced if self.first_heard is None else self.first_heard
        found = {
            f"{self.missing} members are missing in the service's list": self.missing > 0,
            f"{self.joins} clients joined, {self.announced} joins were announced and the records "
            f"explain {unannounced} others": not self.joins <= self.announced + unannounced <= most,
            f"the first client received {received} joins, and {self.announced} were announced": (
                not self.announced <= received <= most
            ),
            f"{self.repeated} users were shown twice": self.repeated > 0,
            f"{self.wrong} clients show other users than the service": self.wrong > 0
            and not may_fail,
            f"the group was listed {self.lists} times in {self.quiet_seconds:.1f} s": (
                self.lists > len(self.announced_by_instance) * (self.quiet_seconds + 2)
            ),
            f"{self.doubles} duplicates arrived": self.doubles > 0 and not may_fail,
            f"{failures} clients failed": failures > 0 and not may_fail,
            f"{unannounced} joins were not announced": unannounced > 0 and not may_be_unannounced,
        }
        return [text for text, is_wrong in found.items() if is_wrong]


@dataclass(slots=True)
class Run:
    """The storms of one stack, and the memory and CPU that its processes used.

    `before` has one usage, taken before the first storm; `full` and `after` have one for each
    storm, taken when all clients are connected and when all have left.
    """

    plan: Plan
    outcomes: list[Outcome] = field(default_factory=list)
    before: list[Usage] = field(default_factory=list)
    full: list[Usage] = field(default_factory=list)
    after: list[Usage] = field(default_factory=list)

    @property
    def last(self) -> Outcome:
        """The outcome of the last storm."""
        return self.outcomes[-1]

    def complaints(self) -> list[str]:
        """Return what is wrong, in any of the storms."""
        may_fail = bool(self.plan.faults)
        # Without the digest, many joins at once may be throttled: the digest prevents that.
        may_be_unannounced = may_fail or not self.plan.has_digest
        return [
            f"storm {number}: {text}"
            for number, outcome in enumerate(self.outcomes, 1)
            for text in outcome.complaints(may_fail=may_fail, may_be_unannounced=may_be_unannounced)
        ]


def percentiles(samples: Iterable[float]) -> Percentiles | None:
    """Return p50 and p99, or None without samples."""
    measured = list(samples)
    if not measured:
        return None
    found = quantiles(measured, n=100, method="inclusive")
    return found[49], found[98]


def describe(
    received: Mapping[str, Any],
    records: Records,
    members: Mapping[str, str],
    faults: Mapping[str, int],
) -> Outcome:
    """Combine what the clients received, the app recorded and the service lists.

    `members` are the connections that the service lists, with their users.
    """
    opened_at: dict[str, float] = received["opened_at"]
    started_at: float = received["started_at"]
    return Outcome(
        joins=len(opened_at),
        seconds=max(opened_at.values(), default=started_at) - started_at,
        failures=received["failures"],
        members=len(members),
        missing=len(opened_at.keys() - members.keys() - set(received["closed"])),
        announced=records.announced(),
        announced_by_instance=records.announced_by_instance(),
        unannounced=records.unannounced(opened_at),
        first_heard=received["first_received"],
        announcements=records.messages(),
        deliveries=received["deliveries"],
        doubles=received["duplicates"],
        repeated=received["repeated"],
        quiet_seconds=received["last_arrival"] - started_at,
        lists=records.lists(),
        wrong=_count_wrong(received["presence"], members) if records.lists() else 0,
        stages=_stages(received, records),
        faults=faults,
    )


def write_users(users: Mapping[str, int]) -> str:
    """Return users and their numbers of connections as a text that compares."""
    return json.dumps(dict(sorted(users.items())))


def _count_wrong(shown: Mapping[str, int], members: Mapping[str, str]) -> int:
    truth = write_users(Counter(members.values()))
    return sum(clients for users, clients in shown.items() if users != truth)


def _stages(received: Mapping[str, Any], records: Records) -> dict[str, Percentiles | None]:
    opened_at: dict[str, float] = received["opened_at"]
    # The first record of each connection counts.
    recorded = {join.connection_id: join.at for join in reversed(records.joins)}
    waits = [recorded[each] - at for each, at in opened_at.items() if each in recorded]
    return {
        "negotiate": received["negotiating"],
        "open, with connect": received["opening"],
        "open to record": percentiles(waits),
        "send to 202": percentiles(records.send_seconds()),
        "first arrival to each": received["spread"],
    }


def _explain(joins: list[Join]) -> str:
    return f"add: {joins[-1].failure}" if joins else "no record"


def _read_join(record: dict[str, Any], instance: int, now: float) -> Join:
    is_sent = record["sendStatus"] == 202
    return Join(
        instance=instance,
        connection_id=record["connectionId"],
        at=now,
        announced=record.get("announced"),
        is_sent=is_sent,
        failure=record.get("failure"),
        send_seconds=record.get("sendMilliseconds", 0) / 1000,
        messages=record.get("messages", int(is_sent)),
        lists=record.get("lists", 0),
    )
