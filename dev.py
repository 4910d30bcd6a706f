#!/usr/bin/env python3
"""The commands for working on Usher: python3 dev.py COMMAND [--help]

  demo       run a whole journey on this machine, without Azure; or, with
             --presence, what members see of tabs, a reload and a kill
  up         run the emulator and the app on fixed ports until Ctrl-C
  emulator   run the Web PubSub emulator alone
  host       run the app on the local Functions host alone
  token      print a data plane token for the running emulator
  provision  call the running app: token, join and announcement
  remove     call the running app: remove a user from a group or the hub
  removals   call the running app: list the removals in force
  doctor     check a running app, here or in Azure, and suggest fixes
  policy     explain what the policy file decides for a user and a group
  test       run all tests
  fuzz       send bad input to the emulator until something fails
  check      check formatting, lint and types
  pin        pin every package that production needs
  audit      look for known vulnerabilities in what production needs
  sbom       print what production needs as an SBOM (CycloneDX in JSON)
  bench      measure speed and memory of the app (start, negotiate, connected, presence)
             and of the emulator (fanout, idle, slow); all of them by default
  storm      let many clients join one group at once, and report

The first call makes .venv and installs the dependencies into it; later calls need no network.
"""

# Runs on Python 3.8 and later before anything is installed, so only with the standard library.

from __future__ import annotations  # Python 3.8 cannot evaluate these types

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator  # noqa: UP035 - 3.8 cannot subscript the newer one

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed-dependencies"
NEEDED = (3, 13)  # what Azure runs; a newer version is used only if there is no 3.13
PROBE = "import ensurepip, sys, venv; print(*sys.version_info[:2])"
READ_DEVELOPMENT = (
    "import sys, tomllib; from pathlib import Path;"
    "print(*tomllib.loads(Path(sys.argv[1]).read_text('utf-8'))['dependency-groups']['dev'],"
    " sep='\\n')"
)


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__.strip())
        return 0
    if not is_installed():
        install()
    return run_command(arguments)


def is_installed() -> bool:
    try:
        return STAMP.read_text() == fingerprint() and probe([str(VENV_PYTHON)]) is not None
    except OSError:
        return False


def fingerprint() -> str:
    """Return a hash of the dependencies; the rest of pyproject.toml does not change it."""
    production = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    development = re.search(r"^\[dependency-groups\]$.*?^(?=\[)", project, re.DOTALL | re.MULTILINE)
    emulator = (ROOT / "emulator" / "pyproject.toml").read_text(encoding="utf-8")
    text = production + emulator + (development.group() if development else project)
    return hashlib.sha256(text.encode()).hexdigest()


def install() -> None:
    command = [str(VENV_PYTHON)] if probe([str(VENV_PYTHON)]) else make_environment()
    say("installing the dependencies into .venv (once; takes minutes on a slow network)")
    pip = [*command, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    project = str(ROOT / "pyproject.toml")
    development = run_for_output([*command, "-c", READ_DEVELOPMENT, project]).splitlines()
    emulator = ["--editable", str(ROOT / "emulator")]
    # Two calls, because with hashes pip refuses every package without one. The second call names
    # the versions of the first one again, so that it cannot change them.
    run([*pip, "--require-hashes", "-r", str(ROOT / "requirements.txt")])
    run([*pip, *pinned(), *development, *emulator])
    STAMP.write_text(fingerprint())


def pinned() -> list[str]:
    """Return the versions in requirements.txt, without their hashes."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return re.findall(r"^[\w.-]+(?:\[\w+\])?==[\w.!+-]+", text, re.MULTILINE)


def make_environment() -> list[str]:
    python = find_python()
    say("making .venv with " + " ".join(python))
    run([*python, "-m", "venv", "--clear", str(VENV)])
    return [str(VENV_PYTHON)]


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
    sys.exit(
        "Usher needs Python 3.13, and none was found. Get it from https://www.python.org/downloads,"
        " or with `uv python install 3.13` or `pyenv install 3.13`, and run this again."
    )


def candidates() -> Iterator[list[str]]:
    yield [sys.executable]
    yield from ([name] for name in ("python3.13", "python3", "python", "python3.14"))
    yield ["py", "-3.13"]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for version in sorted((pyenv / "versions").glob("3.*"), reverse=True):
        yield [str(version / "bin" / "python")]
    found = run_for_output(["uv", "python", "find", "3.13"])
    if found:
        yield [found]


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


def run(command: list[str]) -> None:
    status = subprocess.call(command)
    if status:
        sys.exit(f"This command failed with status {status}: {' '.join(command)}")


def say(text: str) -> None:
    print("dev.py: " + text, file=sys.stderr, flush=True)


def run_command(arguments: list[str]) -> int:
    command = [str(VENV_PYTHON), "-m", "localdev", *arguments]
    os.environ["DEV_PY_CALLED_FROM"] = str(Path.cwd())  # for options that name a folder
    os.chdir(str(ROOT))
    if os.name != "nt":  # signals then reach the command itself; on Windows, exec would not wait
        os.execv(command[0], command)
    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
