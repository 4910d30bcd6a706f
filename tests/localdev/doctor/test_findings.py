"""Tests of localdev/doctor/findings.py."""

import json

import pytest

from localdev.doctor.findings import Finding, Report, failure, fine, skipped, warning

APP = "http://127.0.0.1:7071"
FINDINGS = {
    "app": fine("the app answers"),
    "cors": warning("seen", "meaning", "how to fix"),
    "journey": failure("nothing\x1b[2J received", "meaning", "how to fix"),
    "pages": skipped("the check journey must pass first"),
}
TEXT = """\
Usher at http://127.0.0.1:7071
  app        ok       the app answers
  cors       WARNING  seen
                      means: meaning
                      fix:   how to fix
  journey    FAILURE  nothing [2J received
                      means: meaning
                      fix:   how to fix
  pages      -        the check journey must pass first
1 failure, 1 warning.
3 of 4 examined, not examined: pages, because the check journey must pass first.
"""


def print_report(as_json: bool) -> None:
    report = Report(as_json)
    report.open(APP)
    for check, finding in FINDINGS.items():
        report.begin(check)
        report.end(finding)
    report.close(APP, FINDINGS)


def test_the_report_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters, which another machine may have sent, are not printed."""
    print_report(as_json=False)
    output = capsys.readouterr()
    assert (output.out, output.err) == (TEXT, "")


@pytest.mark.parametrize(
    ("findings", "last"),
    [
        ({"app": fine("a"), "journey": fine("b")}, ["Nothing is wrong.", "2 of 2 examined."]),
        (
            {"app": fine("a"), "journey": skipped("no key"), "pages": skipped("no key")},
            [
                "No fault was found, but no client has connected.",
                "1 of 3 examined, not examined: journey, pages, because no key.",
            ],
        ),
    ],
)
def test_only_a_journey_shows_that_nothing_is_wrong(
    findings: dict[str, Finding], last: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line says what was not examined, and why."""
    Report(as_json=False).close(APP, findings)
    assert capsys.readouterr().out.splitlines() == last


def test_a_wait_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """The line of the check begins again, so that its finding stands in its column."""
    report = Report(as_json=False)
    report.wait(5)
    report.begin("journey")
    report.wait(5)
    report.end(fine("ready"))
    assert capsys.readouterr().out.splitlines() == [
        "             ...      still waiting after 5 s",
        "  journey    ...      still waiting after 5 s",
        "  journey    ok       ready",
    ]


def test_the_report_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The document is on stdout, the text for people on stderr."""
    print_report(as_json=True)
    output = capsys.readouterr()
    assert output.err == TEXT
    document = json.loads(output.out)
    assert (document["app"], document["level"]) == (APP, "failure")
    assert [each["check"] for each in document["findings"]] == list(FINDINGS)
    assert document["findings"][0] == {
        "check": "app",
        "level": "ok",
        "saw": "the app answers",
        "means": "",
        "fix": "",
    }
