"""Environments for tools that cannot live beside the tests, kept in .environments/."""

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
    """The Python of an environment with just these; made once, and again when they change."""
    folder = ROOT / ".environments" / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "installed"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        _install(python, requirements)
        stamp.write_text(wanted, "utf-8")
    return python


def development_group(name: str) -> list[str]:
    """A dependency group of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return [str(requirement) for requirement in project["dependency-groups"][name]]


def _install(python: Path, requirements: tuple[str, ...]) -> None:
    done = subprocess.run([python, *PIP, *requirements], capture_output=True, text=True)
    if done.returncode and re.search(r"connection broken by|ConnectTimeout", done.stderr):
        pytest.skip(f"the package index cannot be reached, which is needed once for {python}")
    assert not done.returncode, done.stderr
