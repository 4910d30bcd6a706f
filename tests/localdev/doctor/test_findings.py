"""Tests of localdev/doctor/findings.py."""

import json

import pytest

from localdev.doctor.findings import Report, failure, fine, skipped, warning

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
