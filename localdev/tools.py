"""Runs development tools, such as pytest and ruff, to their end."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from localdev.interrupts import mask_interrupts
from localdev.stack import ROOT

RUN_MODULE = (sys.executable, "-m", "localdev.run_module")
TOOL_SECONDS = 15  # how long a tool may take to end after Ctrl-C


def run_tool(*command: str) -> int:
    """Run a Python module in this environment and return its exit status."""
    return call([*RUN_MODULE, *command], os.environ)


def call(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end; after Ctrl-C, which reaches it, too, let it report first.

    The command starts with SIGINT masked, so it begins with RUN_MODULE.
    """
    mask_interrupts(True)
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        try:
            mask_interrupts(False)
            return process.wait()
        except KeyboardInterrupt:
            with suppress(subprocess.TimeoutExpired):
                process.wait(TOOL_SECONDS)
            process.terminate()
            raise
