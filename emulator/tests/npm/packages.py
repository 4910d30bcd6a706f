"""Installs the official packages of npm, and runs programs with them."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from filelock import FileLock

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".environments" / "npm"
MOST_SECONDS = 180  # for a program that would wait forever


def installed() -> Path:
    """Return the folder of the packages, which are installed if the lock file has changed."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("the official clients of npm need Node.js and npm, and they were not found")
    lock = (HERE / "package-lock.json").read_text("utf-8")
    stamp = FOLDER / "installed"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(FOLDER / "lock"):  # tests run in several processes
        if not stamp.exists() or stamp.read_text("utf-8") != lock:
            _install()
            stamp.write_text(lock, "utf-8")
    return FOLDER


def _install() -> None:
    """Install the packages by their hashes, without the scripts of packages."""
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, FOLDER / name)
    npm = shutil.which("npm") or "npm"  # on Windows, npm.cmd
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    assert not done.returncode, f"npm could not install the packages (once): {done.stderr}"


class Program:
    """A running program of this folder."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read_line(self) -> str:
        """Return the next line of its output."""
        assert self._process.stdout
        async with asyncio.timeout(MOST_SECONDS):
            return (await self._process.stdout.readline()).decode()

    async def finish(self, text: str = "") -> str:
        """Send a text, and return the rest of the output. Raises AssertionError if it fails."""
        async with asyncio.timeout(MOST_SECONDS):
            output, errors = await self._process.communicate(text.encode())
        assert self._process.returncode == 0, errors.decode()
        return output.decode()


@asynccontextmanager
async def program(name: str, folder: Path, *arguments: str) -> AsyncIterator[Program]:
    """Run a program of this folder, at most until the block ends."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *("node", str(HERE / name), str(folder), *arguments), stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
