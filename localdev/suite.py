"""`dev.py test`: which tests run, and in how many processes."""

import os
from collections.abc import Sequence

from localdev.tools import run_tool

# What takes long, in the order in which it starts: the presence model, whole stacks, browsers,
# storms, other packages, benchmarks.
SLOW = (
    "tests/presence/test_model.py",
    "tests/e2e",
    "emulator/tests/test_distribution.py",
    "tests/benchmarks",
    "tests/infra/test_checkov.py",
    "tests/infra/test_connect_hub.py",
    "tests/infra/test_kusto.py",
    "tests/infra/test_readme.py",
    "tests/localdev/test_suite.py",
    "tests/messages/test_sent_messages.py",
    "emulator/tests/npm",
    "emulator/tests/test_contract_suite.py",
    "emulator/tests/test_pytest_plugin.py",
)
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def run_suite(arguments: Sequence[str], *, is_quick: bool, has_coverage: bool) -> int:
    """Run the tests in parallel. Return pytest's exit status."""
    # All tests of a file run on one worker, because they share the stack that the file starts.
    # tests/conftest.py puts slow tests first, so that no worker ends alone with them; xdist would
    # put files with many tests first.
    workers = (f"--numprocesses={_count(is_quick)}", "--dist=loadfile", "--no-loadscope-reorder")
    coverage = ("--cov", "--cov-report=term") if has_coverage else ()
    left_out = [f"--ignore={path}" for path in SLOW] if is_quick else ()
    # The tests start hundreds of processes. Without bytecode, each compiles all sources.
    environment = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
    options = (*workers, *coverage, *left_out, *arguments)
    return run_tool("pytest", *options, environment=environment)


def _count(is_quick: bool) -> int:
    """Return the number of workers: more than cores, because tests wait, above all slow ones."""
    cores = os.cpu_count() or 1
    return max(2, cores * (3 if is_quick else 5) // 2)


def run_contract_suite(target: str, arguments: Sequence[str]) -> int:
    """Run the emulator's contract suite against another service, given by connection string."""
    # The suite prints a table, so pytest's own summary is switched off.
    fixed = ("-rN", "--tb=short", "--target", target)
    return run_tool("pytest", "emulator/tests/contract", *fixed, *arguments)
