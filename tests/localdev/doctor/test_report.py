"""Tests of localdev/doctor/report.py."""

import json

import pytest

from localdev.doctor.findings import failure, fine, skipped, warning
from localdev.doctor.report import Report

FINDINGS = {
    "app": fine("answers"),
    "cors": warning("seen", "meant", "mended"),
    "journey": failure("nothing\x1b[2J heard", "meant", "mended"),
    "pages": skipped("not now"),
}


@pytest.mark.parametrize("as_json", [False, True])
def test_findings_are_told(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each, two more for a fault, and no control characters of other machines."""
    report = Report(as_json)
    report.open("http://127.0.0.1:7071")
    for check, finding in FINDINGS.items():
        report.begin(check)
        report.end(finding)
    report.close("http://127.0.0.1:7071", FINDINGS)
    output = capsys.readouterr()
    text = output.err if as_json else output.out
    assert text.splitlines() == [
        "Usher at http://127.0.0.1:7071",
        "  app        ok       answers",
        "  cors       WARNING  seen",
        "                      means: meant",
        "                      fix:   mended",
        "  journey    FAILURE  nothing [2J heard",
        "                      means: meant",
        "                      fix:   mended",
        "  pages      -        not now",
        "1 failure, 1 warning.",
    ]
    if as_json:
        document = json.loads(output.out)
        assert (document["level"], len(document["findings"])) == ("failure", 4)
        assert document["findings"][0] == {
            "check": "app",
            "level": "ok",
            "saw": "answers",
            "means": "",
            "fix": "",
        }
