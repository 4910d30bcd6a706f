"""Makes .venv and installs what a command needs: dev.py calls it before the command starts.

Runs on Python 3.8 and later before anything is installed, so only with the standard library.
"""

from __future__ import annotations  # Python 3.8 cannot evaluate these types

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator  # noqa: UP035 - 3.8 cannot subscript the newer one

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
NEEDED = (3, 13)  # what Azure runs; a newer version is used only if there is no 3.13
RUN, DEV = "run", "dev"  # groups of pyproject.toml; `dev` includes `run`
PROBE = "import ensurepip, sys, venv; print(*sys.version_info[:2])"
FIND_PACKAGES = "import sysconfig; print(sysconfig.get_path('purelib'))"
LINE_SECONDS = 10  # between two lines of progress, where stderr is no terminal


class InstallationError(Exception):
    """The environment cannot be made; the text says why, and what helps."""


def is_installed(group: str) -> bool:
    """Return whether .venv works and has what the group needs, at the pinned versions."""
    try:
        is_current = stamp(group).read_text() == fingerprint(group)
    except OSError:
        return False
    return is_current and probe([str(VENV_PYTHON)]) is not None


def stamp(group: str) -> Path:
    return VENV / ("installed-" + group)


def fingerprint(group: str) -> str:
    """Return a hash of what the group needs; the rest of pyproject.toml does not change it."""
    texts = [(ROOT / "requirements.txt").read_text(encoding="utf-8"), *requirements(group)]
    if group == DEV:
        texts.append((ROOT / "emulator" / "pyproject.toml").read_text(encoding="utf-8"))
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def requirements(group: str) -> list[str]:
    """Return the packages of a group of pyproject.toml; Python 3.8 has no parser of TOML."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    names = [RUN] if group == RUN else [RUN, DEV]
    found: list[str] = []
    for name in names:
        section = re.search(rf"^{name} = \[\n(.*?)^\]", project, re.DOTALL | re.MULTILINE)
        found += re.findall(r'^    "([^"]+)"', section.group(1) if section else "", re.MULTILINE)
    return found


def install(group: str) -> None:
    """Install what the group needs. Raises InstallationError."""
    start = time.monotonic()
    if probe([str(VENV_PYTHON)]) is None:
        make_environment()
    say("installing what this command needs into .venv (once)")
    installer = find_installer()
    # Two calls, because with hashes pip refuses every package without one. The second call names
    # the versions of the first one again, so that it cannot change them.
    run([*installer, "--require-hashes", "-r", str(ROOT / "requirements.txt")], start)
    emulator = ["--editable", str(ROOT / "emulator")] if group == DEV else []
    run([*installer, *pinned(), *requirements(group), *emulator], start)
    link_emulator()
    for name in (RUN, DEV) if group == DEV else (RUN,):
        stamp(name).write_text(fingerprint(name))


def pinned() -> list[str]:
    """Return the versions in requirements.txt, without their hashes."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return re.findall(r"^[\w.-]+(?:\[\w+\])?==[\w.!+-]+", text, re.MULTILINE)


def link_emulator() -> None:
    """Put the emulator's source on the path, as an editable installation does after its build."""
    link = packages_folder() / "usher-emulator.pth"
    link.write_text(str(ROOT / "emulator" / "src") + "\n", encoding="utf-8")


def packages_folder() -> Path:
    return Path(run_for_output([str(VENV_PYTHON), "-c", FIND_PACKAGES]))


def make_environment() -> None:
    """Make .venv, without pip: the installer that makes it also fills it."""
    python = find_python()
    say("making .venv with " + " ".join(python))
    try:
        VENV.mkdir(exist_ok=True)
    except OSError as error:
        text = "{} cannot be written ({}). Use a copy of this folder that you may write to."
        raise InstallationError(text.format(VENV, error.strerror)) from None
    run([*python, "-m", "venv", "--clear", "--without-pip", str(VENV)], time.monotonic())


def find_installer() -> list[str]:
    """Return the beginning of a command that installs into .venv: of uv, or else of pip."""
    uv = shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--python", str(VENV_PYTHON)]
    # Modules are compiled when they are imported: most of them never are.
    options = ["install", "--disable-pip-version-check", "--no-compile"]
    inside = [str(VENV_PYTHON), "-m", "pip"]
    outside = [] if has_pip([str(VENV_PYTHON)]) else find_python()
    if outside and has_pip(outside):
        return [*outside, "-m", "pip", "--python", str(VENV_PYTHON), *options]
    if outside:
        run([str(VENV_PYTHON), "-m", "ensurepip"], time.monotonic())
    return [*inside, *options]


def has_pip(python: list[str]) -> bool:
    return bool(run_for_output([*python, "-c", "import pip; print(pip.__version__)"]))


def find_python() -> list[str]:
    """Return the first 3.13 that starts (a pyenv shim can exist and fail), else a newer version."""
    newer: list[str] | None = None
    for command in candidates():
        version = probe(command)
        if version == NEEDED:
            return command
        newer = newer or (command if version and version > NEEDED else None)
    if newer:
        return newer
    raise InstallationError(
        "Usher needs Python 3.13, and none was found. Get it from https://www.python.org/downloads,"
        " or with `uv python install 3.13` or `pyenv install 3.13`, and run this again."
    )


def candidates() -> Iterator[list[str]]:
    yield [sys.executable]
    yield from ([name] for name in ("python3.13", "python3", "python", "python3.14"))
    yield ["py", "-3.13"]
    yield from ([str(version / "bin" / "python")] for version in pyenv_versions())
    found = run_for_output(["uv", "python", "find", "3.13"])
    if found:
        yield [found]


def pyenv_versions() -> list[Path]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    try:
        return sorted((pyenv / "versions").glob("3.*"), reverse=True)
    except OSError:  # a folder of another user
        return []


def probe(command: list[str]) -> tuple[int, ...] | None:
    """Return the version of a Python, such as (3, 13), or None if it cannot make environments."""
    output = run_for_output([*command, "-c", PROBE])
    return tuple(map(int, output.split())) if output else None


def run_for_output(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode().strip()


def run(command: list[str], start: float) -> None:
    """Run an installer and show its progress since `start`; show its output only if it fails."""
    log = VENV / "installation.log"
    environment = dict(os.environ, PYTHONUNBUFFERED="1")  # so that the log grows line by line
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
        try:
            show_progress(process, log, start)
        finally:  # Ctrl-C, too, leaves no process behind
            process.kill()
            process.wait()
    if process.returncode:
        print(log.read_text(encoding="utf-8", errors="replace"), file=sys.stderr)
        text = "This command failed with status {}: {}"
        raise InstallationError(text.format(process.returncode, " ".join(command)))


def show_progress(process: subprocess.Popen[bytes], log: Path, start: float) -> None:
    """Show packages and seconds until the process ends: in one line that changes on a terminal."""
    is_terminal = sys.stderr.isatty()
    shown = start
    while process.poll() is None:
        now = time.monotonic()
        if is_terminal or now - shown >= LINE_SECONDS:
            shown = now
            line = progress(log, now - start)
            write(f"\r{line}" if is_terminal else f"{line}\n")
        time.sleep(0.1)
    if is_terminal:
        write("\r\033[K")


def progress(log: Path, seconds: float) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    installed = sum(1 for _ in VENV.glob("[Ll]ib/**/*.dist-info/RECORD"))
    fetched = max(installed, len(re.findall("^Collecting ", text, re.MULTILINE)))
    return f"dev.py: {fetched} packages fetched, {installed} installed, {seconds:.0f} s"


def say(text: str) -> None:
    write("dev.py: ", text, "\n")


def write(*texts: str) -> None:
    print(*texts, sep="", end="", file=sys.stderr, flush=True)
