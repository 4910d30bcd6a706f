"""Runs development tools, such as pytest and ruff, to their end."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from localdev.interrupts import mask_interrupts
from localdev.stack import ROOT

TOOL_SECONDS = 15  # how long a tool may take to end after Ctrl-C


def run_tool(*command: str, environment: Mapping[str, str] | None = None) -> int:
    """Run a Python module to its end and return its exit status; by default in our environment.

    Ctrl-C reaches the module, too. It may report before it ends.
    """
    command = (sys.executable, "-m", "localdev.run_module", *command)
    mask_interrupts(True)  # until run_module can answer
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        try:
            mask_interrupts(False)
            return process.wait()
        except KeyboardInterrupt:
            with suppress(subprocess.TimeoutExpired):
                process.wait(TOOL_SECONDS)
            process.terminate()
            raise
