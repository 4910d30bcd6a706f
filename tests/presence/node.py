"""Runs the browser module in Node.js."""

import shutil
import subprocess
from pathlib import Path

import pytest

from localdev.stack import ROOT

MODULE = ROOT / "web" / "usher.js"
CASES = Path(__file__).parent / "cases.json"


def find_node() -> str:
    """Return the path of Node.js. Skip the test if there is none."""
    node = shutil.which("node")
    if not node:
        pytest.skip("needs Node.js, and it was not found")
    return node


def copy_module(folder: Path) -> Path:
    """Copy the module to a folder in which Node.js takes it for an ES module."""
    shutil.copyfile(MODULE, folder / "usher.js")
    (folder / "package.json").write_text('{"type": "module"}', "utf-8")
    return folder / "usher.js"


def run_script(folder: Path, script: Path, *arguments: str) -> str:
    """Run a script that imports "./usher.js", and return what it prints."""
    copy_module(folder)
    shutil.copyfile(script, folder / script.name)
    command = [find_node(), str(folder / script.name), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    assert not done.returncode, done.stderr
    return done.stdout
