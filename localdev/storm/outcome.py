"""What a storm came to, from the three who saw it: the clients, the app's records, the service."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from localdev.storm.records import Records

type Percentiles = tuple[float, float]  # p50 and p99


def percentiles(samples: Iterable[float]) -> Percentiles | None:
    """None where nothing was measured."""
    measured = list(samples)
    if not measured:
        return None
    found = quantiles(measured, n=100, method="inclusive")
    return found[49], found[98]


@dataclass(frozen=True)
class Use:
    """What a process used: resident MB (of 1,048,576 bytes) now, CPU seconds until now."""

    megabytes: float
    cpu_seconds: float


@dataclass(frozen=True)
class Usage:
    """That of each instance of the app, and of the emulator."""

    hosts: list[Use]
    emulator: Use


@dataclass(frozen=True)
class Outcome:
    """One storm. Times are seconds; `stages` are from the first to the last step of a join.

    `untold` are joins that nobody was told of, by reason; `doubles` came to clients that knew
    them; `repeated` are users that such a client shows twice all the same.
    """

    joins: int
    seconds: float
    failures: Mapping[str, int]
    members: int
    missing: int
    told: int
    told_by_instance: list[int]
    untold: Mapping[str, int]
    first_heard: int | None
    announcements: int
    deliveries: int
    doubles: int
    repeated: int
    quiet_seconds: float
    stages: Mapping[str, Percentiles | None]
    faults: Mapping[str, int]

    def complaints(self, *, may_fail: bool, may_be_untold: bool) -> list[str]:
        """What must not be. Under faults clients may fail, and some joins are not told of."""
        failures, untold = sum(self.failures.values()), sum(self.untold.values())
        most = self.joins + failures  # of some that failed the app heard all the same
        heard = self.told if self.first_heard is None else self.first_heard
        found = {
            f"{self.missing} members are missing in the service's list": self.missing > 0,
            f"{self.joins} joined, {self.told} were told of and {untold} are explained": (
                not self.joins <= self.told + untold <= most
            ),
            f"the first client heard of {heard} joins, and {self.told} were told of": (
                not self.told <= heard <= most
            ),
            f"{self.repeated} times a user was shown again": self.repeated > 0,
            f"{self.doubles} doubles came": self.doubles > 0 and not may_fail,
            f"{failures} clients failed": failures > 0 and not may_fail,
            f"{untold} joins were not told of": untold > 0 and not may_be_untold,
        }
        return [text for text, is_so in found.items() if is_so]


def describe(
    heard: Mapping[str, Any],
    records: Records,
    members: Collection[str],
    faults: Mapping[str, int],
) -> Outcome:
    """Puts together what the clients heard, the app recorded and the service lists."""
    opened_at: dict[str, float] = heard["opened_at"]
    started_at: float = heard["started_at"]
    recorded = {join.connection_id: join.at for join in reversed(records.joins)}
    waits = [recorded[one] - at for one, at in opened_at.items() if one in recorded]
    return Outcome(
        joins=len(opened_at),
        seconds=max(opened_at.values(), default=started_at) - started_at,
        failures=heard["failures"],
        members=len(members),
        missing=len(opened_at.keys() - set(members) - set(heard["gone"])),
        told=records.told(),
        told_by_instance=records.told_by_instance(),
        untold=records.reasons(opened_at),
        first_heard=heard["first_heard"],
        announcements=sum(join.is_sent for join in records.joins),
        deliveries=heard["deliveries"],
        doubles=heard["doubles"],
        repeated=heard["repeated"],
        quiet_seconds=heard["last_arrival"] - started_at,
        stages={
            "negotiate": heard["negotiating"],
            "open, with connect": heard["opening"],
            "open to record": percentiles(waits),
            "send to 202": percentiles(records.sending()),
            "first arrival to each": heard["spread"],
        },
        faults=faults,
    )
