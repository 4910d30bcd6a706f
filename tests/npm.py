"""npm packages that single tests need. They are kept in .environments/."""

import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from localdev.stack import ROOT


def npm_packages(source: Path, what: str) -> Path:
    """Return the node_modules of a folder with package.json and package-lock.json.

    They are installed into .environments/ if the lock file has changed. Skips the test without
    Node.js; `what` is the sentence's subject then.
    """
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip(f"{what} needs Node.js and npm, and they were not found")
    folder = ROOT / ".environments" / source.name
    folder.mkdir(parents=True, exist_ok=True)
    lock = (source / "package-lock.json").read_text("utf-8")
    stamp = folder / "installed"
    with FileLock(folder / "lock"):  # tests run in several processes
        if not stamp.exists() or stamp.read_text("utf-8") != lock:
            _install(source, folder)
            stamp.write_text(lock, "utf-8")
    return folder / "node_modules"


def _install(source: Path, folder: Path) -> None:
    """Install the packages by their hashes, without the scripts of packages."""
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(source / name, folder / name)
    npm = shutil.which("npm") or "npm"  # on Windows, npm.cmd
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert not done.returncode, f"npm could not install {source.name} (once): {done.stderr}"
