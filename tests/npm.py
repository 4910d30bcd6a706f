"""Installs npm packages that tests need. Each folder with a lock file is installed once."""

import shutil
import subprocess
from pathlib import Path

import pytest

from localdev.stack import ROOT


def install_packages(source: Path) -> Path:
    """Return the node_modules of a folder with package.json and package-lock.json.

    They are installed into .environments if the lock file has changed. Skip the test without npm.
    """
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("needs Node.js and npm, and they were not found")
    folder = ROOT / ".environments" / source.name
    lock = (source / "package-lock.json").read_text("utf-8")
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text("utf-8") != lock:
        _install(source, folder)
        stamp.write_text(lock, "utf-8")
    return folder / "node_modules"


def _install(source: Path, folder: Path) -> None:
    """Install the packages by their hashes, without their scripts."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(source / name, folder / name)
    npm = shutil.which("npm") or "npm"  # on Windows, npm.cmd
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert not done.returncode, f"npm could not install the packages (once): {done.stderr}"
