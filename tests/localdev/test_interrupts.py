"""Ctrl-C in the processes that a command starts."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.children import run_child
from localdev.interrupts import interrupts_masked
from localdev.stack import run_host, sample_settings
from tests.e2e.processes import is_masked

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no signal masks")

RUN_MODULE = (sys.executable, "-m", "localdev.run_module")
PRINT_MASK = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"


def run_in(folder: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command that finds the modules of a folder, with Ctrl-C masked."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    with interrupts_masked():
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_process_starts_with_interrupts_masked() -> None:
    with interrupts_masked():
        inside = subprocess.check_output([sys.executable, "-c", PRINT_MASK], text=True)
    assert inside == "True\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_child_of_a_benchmark_leaves_interrupts_to_its_parent() -> None:
    async def read_mask() -> str:
        async with run_child("-c", PRINT_MASK) as child:
            return await child.read_line()

    assert asyncio.run(read_mask()) == "True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the mask of a process")
async def test_a_host_leaves_interrupts_to_its_parent() -> None:
    """Otherwise it would be gone before the clients of the demo are closed."""
    async with run_host(sample_settings()) as host:
        assert is_masked(host.process.pid, signal.SIGINT)


def test_a_module_runs_as_by_python(tmp_path: Path) -> None:
    """With its arguments, its name and its exit status; and it can be interrupted again."""
    text = f"import sys\nprint(__name__, *sys.argv[1:])\n{PRINT_MASK}\nsys.exit(3)"
    (tmp_path / "tool.py").write_text(text)
    done = run_in(tmp_path, [*RUN_MODULE, "tool", "-m", "x"])
    assert (done.returncode, done.stdout, done.stderr) == (3, "__main__ -m x\nFalse\n", "")


def test_an_interrupt_during_the_imports_of_a_module_has_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)")
    (tmp_path / "tool.py").write_text("import slow\nprint('imported')")
    done = run_in(tmp_path, [*RUN_MODULE, "tool"])
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
