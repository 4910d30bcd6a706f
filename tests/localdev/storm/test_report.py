import json

import pytest

from localdev.storm.outcome import Outcome, Usage, Use
from localdev.storm.plan import Plan, Run
from localdev.storm.report import describe_runs, write_report
from tests.localdev.storm.outcomes import CALM, spoil
from webpubsub_emulator.faults import parse_fault


def usage(megabytes: float, cpu_seconds: float = 0) -> Usage:
    """Of two instances, of which the other is smaller."""
    smaller = Use(megabytes - 1, cpu_seconds)
    return Usage([smaller, Use(megabytes, cpu_seconds)], Use(megabytes + 10, cpu_seconds))


def run(*outcomes: Outcome, has_digest: bool = True, fault: str = "", instances: int = 1) -> Run:
    faults = (parse_fault(fault),) if fault else ()
    plan = Plan(100, 400, "json", faults, 0, len(outcomes), instances, has_digest)
    after = [usage(50 + number) for number, _ in enumerate(outcomes)]
    return Run(plan, list(outcomes), [usage(40)], [usage(60, 0.25)] * len(outcomes), after)


def rows(report: str) -> dict[str, list[str]]:
    """The cells of the table, by what they are about."""
    lines = [line.split("  ") for line in report.splitlines() if "  " in line]
    return {cells[0]: [cell.strip() for cell in cells[1:] if cell.strip()] for cells in lines}


def test_runs_side_by_side() -> None:
    """Their figures, and how much the digest saves."""
    report = write_report([run(CALM), run(spoil(deliveries=12_000), has_digest=False)])
    assert report.startswith(
        "100 clients into one group, 400 a second wanted, 1 instance, announcements in json\n"
    )
    table = rows(report)
    assert table["deliveries"] == ["600", "12,000"]
    assert table["joined a second"] == ["200", "200"]
    assert table["negotiate, ms: p50, p99"] == ["10 40", "10 40"]
    assert table["open, with connect, ms: p50, p99"] == ["-", "-"]
    assert table["host, CPU ms a join"] == ["5.0", "5.0"]
    assert table["emulator, CPU ms a join"] == ["2.5", "2.5"]
    assert table["host, MB: before, full, after"] == ["40 60 50", "40 60 50"]
    assert report.splitlines()[-2:] == [
        "The digest makes 5.0% of the deliveries that there are without it.",
        "Nobody is missing, and every join was told of once or is explained.",
    ]


def test_what_went_wrong() -> None:
    """It is told at the end, of every storm; and a program can read it."""
    runs = [run(CALM, spoil(missing=2))]
    told = "storm 2: 2 members are missing in the service's list"
    assert write_report(runs).splitlines()[-1] == f"WRONG: digest on: {told}"
    assert describe_runs(runs)["runs"][0]["complaints"] == [told]


def test_faults_and_what_they_did() -> None:
    """Each with its number, and reasons with theirs."""
    outcome = spoil(told=97, untold={"send: answered 500": 3}, faults={"rest-error:rate=1": 9})
    lines = write_report([run(outcome, fault="rest-error")]).splitlines()
    assert "digest on: 3 joins were not told of: send: answered 500" in lines
    assert "digest on: 9 times: rest-error:rate=1" in lines


def test_the_memory_of_many_storms() -> None:
    """After each, and how much it grew once everything had been used."""
    report = write_report([run(*[CALM] * 6)])
    grown = "+3.0 from the second to the median of the last 3"
    assert f"digest on: host, MB after each storm: 50.0 51.0 52.0 53.0 54.0 55.0; {grown}" in report
    assert "the last of 6 storms" in report


def test_several_instances() -> None:
    """What each told of."""
    report = write_report([run(spoil(told_by_instance=[60, 40]), instances=2)])
    assert rows(report)["told of by each instance"] == ["60 40"]
    assert ", 2 instances," in report


def test_a_system_that_does_not_tell() -> None:
    """The other figures are there."""
    unknown = run(CALM)
    unknown.before, unknown.full, unknown.after = [], [], []
    assert "MB" not in write_report([unknown])


@pytest.mark.parametrize("has_digest", [True, False])
def test_joins_that_nobody_was_told_of(has_digest: bool) -> None:
    """They are wrong with the digest only: without it, a crowd may be too much."""
    subject = run(spoil(told=90, untold={"late": 10}), has_digest=has_digest)
    assert bool(subject.complaints()) is has_digest


def test_the_json() -> None:
    """Everything, the faults as they are written."""
    found = json.loads(json.dumps(describe_runs([run(CALM, fault="event-lost")])))
    assert found["plan"]["faults"] == ["event-lost:rate=1.0"]
    (only,) = found["runs"]
    assert (only["digest"], only["outcomes"][0]["told"]) == (True, 100)
    assert only["before"][0]["hosts"][1] == {"megabytes": 40, "cpu_seconds": 0}
