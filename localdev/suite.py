"""`dev.py test`: which tests run, and in how many processes."""

import os
import sys
from collections.abc import Sequence

from localdev.tools import call, run_tool

PYTEST = (sys.executable, "-m", "pytest")
# Most of the time of a test that takes long is a wait, so there are more workers than cores.
WORKERS_PER_CORE = 3
# What takes long: browsers, whole stacks, storms, benchmarks, other packages, the presence model.
SLOW = (
    "emulator/tests/npm",
    "emulator/tests/test_contract_suite.py",
    "emulator/tests/test_distribution.py",
    "emulator/tests/test_pytest_plugin.py",
    "tests/benchmarks",
    "tests/e2e",
    "tests/infra/test_checkov.py",
    "tests/infra/test_connect_hub.py",
    "tests/infra/test_kusto.py",
    "tests/infra/test_readme.py",
    "tests/messages/test_sent_messages.py",
    "tests/presence/test_model.py",
)
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def run_suite(arguments: Sequence[str], *, is_quick: bool, has_coverage: bool) -> int:
    """Run the tests in parallel. Return pytest's exit status."""
    # All tests of a file run on one worker, because they share the stack that the file starts.
    workers = (f"--numprocesses={(os.cpu_count() or 1) * WORKERS_PER_CORE}", "--dist=loadfile")
    coverage = ("--cov", "--cov-report=term") if has_coverage else ()
    left_out = [f"--ignore={path}" for path in SLOW] if is_quick else ()
    # The tests start hundreds of processes. Without bytecode, each compiles all sources.
    environment = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
    return call([*PYTEST, *workers, *coverage, *left_out, *arguments], environment)


def run_contract_suite(target: str, arguments: Sequence[str]) -> int:
    """Run the emulator's contract suite against another service, given by connection string."""
    # The suite prints a table, so pytest's own summary is switched off.
    fixed = ("-rN", "--tb=short", "--target", target)
    return run_tool("pytest", "emulator/tests/contract", *fixed, *arguments)
