"""npm packages that single tests need. They are kept in .environments/."""

import shutil
import subprocess
from pathlib import Path

import pytest

from localdev.stack import ROOT


def npm_packages(manifest: Path, what: str) -> Path:
    """Return the folder with the packages of a package-lock.json, installed if it has changed.

    `manifest` is the folder of package.json and package-lock.json. Skips the test without Node.js;
    `what` is the sentence's subject then.
    """
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip(f"{what} needs Node.js and npm, and they were not found")
    folder = ROOT / ".environments" / manifest.name
    lock = (manifest / "package-lock.json").read_text("utf-8")
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text("utf-8") != lock:
        _install(manifest, folder)
        stamp.write_text(lock, "utf-8")
    return folder / "node_modules"


def _install(manifest: Path, folder: Path) -> None:
    """Install the packages by their hashes, without the scripts of packages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(manifest / name, folder / name)
    npm = shutil.which("npm") or "npm"  # on Windows, npm.cmd
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert not done.returncode, f"npm could not install {manifest.name} (once): {done.stderr}"
