"""The machine on which a run was made: figures of another one are no comparison."""

import os
import platform
import re
from pathlib import Path
from typing import Any

CPU_INFO = Path("/proc/cpuinfo")  # Linux only


def describe_machine() -> dict[str, Any]:
    """Return processor, system, Python and the load when the run begins."""
    return {
        "processor": read_processor(),
        "processors": os.process_cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def read_processor(cpu_info: Path = CPU_INFO) -> str:
    """Return the name of the processor; its architecture if the system does not say it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", cpu_info.read_text("utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def machine_line(machine: dict[str, Any]) -> str:
    """Return one line for people. Files of older runs lack some of the facts."""
    facts = (
        machine.get("processor"),
        f"{machine.get('processors')} processors",
        machine.get("platform"),
        f"Python {machine['python']}" if machine.get("python") else None,
        f"load {machine['load']}" if machine.get("load") is not None else None,
    )
    return ", ".join(filter(None, facts))
