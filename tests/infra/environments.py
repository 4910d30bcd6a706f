"""Virtual environments for tools that conflict with the development packages.

They are kept in .environments/.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.infra.bicep import ROOT

PIP = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--retries",
    "1",
    "--no-compile",
]


def python_with(name: str, *requirements: str) -> Path:
    """Return the Python of an environment that has just these requirements.

    `requirements` are arguments of pip. The environment is kept, and created again when they
    change, or the content of a file among them.
    """
    folder = ROOT / ".environments" / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "installed"
    required = "\n".join(_read(requirement) for requirement in requirements)
    if not stamp.exists() or stamp.read_text("utf-8") != required:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        _install(python, requirements)
        stamp.write_text(required, "utf-8")
    return python


def development_group(name: str) -> list[str]:
    """Return a dependency group of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return [str(requirement) for requirement in project["dependency-groups"][name]]


def _read(requirement: str) -> str:
    path = Path(requirement)
    return path.read_text("utf-8") if path.is_file() else requirement


def _install(python: Path, requirements: tuple[str, ...]) -> None:
    done = subprocess.run([python, *PIP, *requirements], capture_output=True, text=True)
    if done.returncode and re.search(r"connection broken by|ConnectTimeout", done.stderr):
        pytest.skip(f"the package index cannot be reached; it is needed once to create {python}")
    assert not done.returncode, done.stderr
