"""`dev.py test`: what it leaves out, in which order tests start, and coverage."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from localdev.stack import ROOT
from localdev.suite import SLOW

FAST_FILE, SLOW_FILE = "tests/infra/test_azd.py", "tests/infra/test_kusto.py"


def run_test(*arguments: str, **environment: str) -> str:
    """Return what `dev.py test` prints, in one process. It must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "localdev", "test", "-n0", "-q", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("path", SLOW)
def test_what_is_slow_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_slow_tests_start_first() -> None:
    collected = run_test("--collect-only", FAST_FILE, SLOW_FILE)
    assert 0 <= collected.index(SLOW_FILE) < collected.index(FAST_FILE)


def test_quick_leaves_slow_tests_out() -> None:
    collected = run_test("--quick", "--collect-only", "tests/infra", "tests/presence")
    assert FAST_FILE in collected
    assert not [path for path in SLOW if path in collected]


def test_coverage_is_printed(tmp_path: Path) -> None:
    """In a file of its own, because this suite may be measured, too."""
    file = str(tmp_path / "coverage")
    output = run_test("--coverage", "tests/usher/test_names.py", COVERAGE_FILE=file)
    assert "BrPart" in output
    assert "usher/settings.py" in output
