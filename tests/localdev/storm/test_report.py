import json

import pytest

from localdev.storm.outcome import Outcome, Plan, Run, Usage, Use
from localdev.storm.report import describe_runs, write_report
from tests.localdev.storm.outcomes import CALM, changed
from webpubsub_emulator import parse_fault


def usage(megabytes: float, cpu_seconds: float = 0) -> Usage:
    """Return the usage of two instances, of which the first is smaller, and of the emulator."""
    smaller = Use(megabytes - 1, cpu_seconds)
    return Usage([smaller, Use(megabytes, cpu_seconds)], Use(megabytes + 10, cpu_seconds))


def run(*outcomes: Outcome, has_digest: bool = True, fault: str = "", instances: int = 1) -> Run:
    faults = (parse_fault(fault),) if fault else ()
    plan = Plan(100, 400, "json", faults, 0, len(outcomes), instances, has_digest)
    after = [usage(50 + number) for number, _ in enumerate(outcomes)]
    return Run(plan, list(outcomes), [usage(40)], [usage(60, 0.25)] * len(outcomes), after)


def rows(report: str) -> dict[str, list[str]]:
    """Return the cells of the table by their label."""
    lines = [line.split("  ") for line in report.splitlines() if "  " in line]
    return {cells[0]: [cell.strip() for cell in cells[1:] if cell.strip()] for cells in lines}


def test_runs_side_by_side() -> None:
    """Their figures, and the share of deliveries with the digest."""
    report = write_report([run(CALM), run(changed(deliveries=12_000), has_digest=False)])
    assert report.startswith(
        "100 clients join one group, up to 400 per second, 1 instance, announcements in json\n"
    )
    table = rows(report)
    assert table["deliveries"] == ["600", "12,000"]
    assert table["joins per second"] == ["200", "200"]
    assert table["negotiate, ms: p50, p99"] == ["10 40", "10 40"]
    assert table["open, with connect, ms: p50, p99"] == ["-", "-"]
    assert table["host, CPU ms per join"] == ["5.0", "5.0"]
    assert table["emulator, CPU ms per join"] == ["2.5", "2.5"]
    assert table["host, MB: before, full, after"] == ["40 60 50", "40 60 50"]
    assert report.splitlines()[-2:] == [
        "With the digest there are 5.0% of the deliveries without it.",
        "No member is missing, and every join was announced once or explained.",
    ]


def test_presence_is_compared_with_one_message_for_each_join() -> None:
    """100 joins would be 5,050 deliveries."""
    report = write_report([run(changed(lists=3, deliveries=101))])
    assert "digest on: 2.0% of the deliveries of one message for each join" in report
    assert rows(report)["lists of the group"] == ["3"]


def test_complaints_are_the_last_lines() -> None:
    """Complaints of every storm; the JSON has them too."""
    runs = [run(CALM, changed(missing=2))]
    complaint = "storm 2: 2 members are missing in the service's list"
    assert write_report(runs).splitlines()[-1] == f"WRONG: digest on: {complaint}"
    assert describe_runs(runs)["runs"][0]["complaints"] == [complaint]


def test_faults_and_reasons_have_their_counts() -> None:
    outcome = changed(
        announced=97, unannounced={"send: answered 500": 3}, faults={"rest-error:rate=1": 9}
    )
    lines = write_report([run(outcome, fault="rest-error")]).splitlines()
    assert "digest on: 3 joins were not announced: send: answered 500" in lines
    assert "digest on: 9 faults happened: rest-error:rate=1" in lines


def test_the_memory_of_many_storms() -> None:
    """The memory after each storm, and its growth since the second."""
    report = write_report([run(*[CALM] * 6)])
    grown = "+3.0 from the second to the median of the last 3"
    assert f"digest on: host, MB after each storm: 50.0 51.0 52.0 53.0 54.0 55.0; {grown}" in report
    assert "the last of 6 storms" in report


def test_several_instances_have_a_row() -> None:
    report = write_report([run(changed(announced_by_instance=[60, 40]), instances=2)])
    assert rows(report)["joins announced by each instance"] == ["60 40"]
    assert ", 2 instances," in report


@pytest.mark.parametrize("has_digest", [True, False])
def test_unannounced_joins_are_wrong_with_the_digest_only(has_digest: bool) -> None:
    """Without the digest, many joins at once may be throttled."""
    subject = run(changed(announced=90, unannounced={"late": 10}), has_digest=has_digest)
    assert bool(subject.complaints()) is has_digest


def test_the_json() -> None:
    """It has all figures, and faults as on the command line."""
    found = json.loads(json.dumps(describe_runs([run(CALM, fault="event-lost")])))
    assert found["plan"]["faults"] == ["event-lost:rate=1.0"]
    (only,) = found["runs"]
    assert (only["digest"], only["outcomes"][0]["announced"]) == (True, 100)
    assert only["before"][0]["hosts"][1] == {"megabytes": 40, "cpu_seconds": 0}
