"""Installs the official packages of npm, and runs programs with them."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOLDER = HERE.parents[2] / ".environments" / "npm"
MOST_SECONDS = 300  # for a program that would wait forever


def installed() -> Path:
    """Return the folder of the packages, which are installed if the lock file has changed."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("the official clients of npm need Node.js and npm, and they were not found")
    lock = (HERE / "package-lock.json").read_text("utf-8")
    stamp = FOLDER / "installed"
    if not stamp.exists() or stamp.read_text("utf-8") != lock:
        _install()
        stamp.write_text(lock, "utf-8")
    return FOLDER


def _install() -> None:
    """Install the packages by their hashes, without the scripts of packages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, FOLDER / name)
    npm = shutil.which("npm") or "npm"  # on Windows, npm.cmd
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    assert not done.returncode, f"npm could not install the packages (once): {done.stderr}"


async def run(program: str, folder: Path, *arguments: str) -> str:
    """Run a program of this folder and return its output.

    Raises AssertionError if it fails, and TimeoutError after MOST_SECONDS.
    """
    process = await asyncio.create_subprocess_exec(
        *("node", str(HERE / program), str(folder), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(MOST_SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, errors.decode()
    return output.decode()
