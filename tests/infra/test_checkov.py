"""checkov reports nothing about the Bicep files that a comment there does not explain."""

import json
import re
import subprocess
from typing import Any

import pytest

from tests.infra.bicep import FILES, INFRA, simplify
from tests.infra.environments import development_group, python_with


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return checkov's report on the files in a syntax that it reads, without network access."""
    folder = tmp_path_factory.mktemp("infra")
    for file in FILES:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(simplify((INFRA / file).read_text("utf-8")), "utf-8")
    python = python_with("checkov", *development_group("checkov"))
    options = ["--framework", "bicep", "--skip-download", "--output", "json", "--compact"]
    command = [str(python), "-m", "checkov.main", "--directory", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.startswith("{"), done.stderr
    return json.loads(done.stdout)


def test_checkov_reads_every_file(report: Any) -> None:
    """checkov only counts files that it cannot read, and reports success."""
    assert report["summary"]["parsing_errors"] == 0
    assert report["results"]["parsing_errors"] == []
    checked = {found["file_path"].lstrip("/") for found in all_checks(report)}
    assert checked
    assert checked <= {*FILES}


def test_checkov_reports_nothing(report: Any) -> None:
    failed = report["results"]["failed_checks"]
    lines = [f"{c['check_id']} {c['check_name']}: {c['file_path']}" for c in failed]
    assert not lines, "\n".join(lines)


def test_skip_comments_are_needed_and_have_a_reason(report: Any) -> None:
    skipped = report["results"]["skipped_checks"]
    comments = [
        comment
        for file in FILES
        for comment in re.findall(r"checkov:skip=\w+:?(.*)", (INFRA / file).read_text("utf-8"))
    ]
    assert len(comments) == len(skipped) > 0
    assert all(len(comment.split()) >= 3 for comment in comments)


def all_checks(report: Any) -> list[Any]:
    """Return passed, failed and skipped checks."""
    results = report["results"]
    return [c for kind in ("passed", "failed", "skipped") for c in results[f"{kind}_checks"]]
