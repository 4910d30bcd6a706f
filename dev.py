#!/usr/bin/env python3
"""The commands for working on Usher: python3 dev.py COMMAND [--help]

  demo       run a whole journey on this machine, without Azure; or, with
             --presence, what members see of tabs, a reload and a kill
  up         run the emulator and the app on fixed ports until Ctrl-C
  emulator   run the Web PubSub emulator alone
  host       run the app on the local Functions host alone
  token      print a data plane token for the running emulator
  status     show what runs here, and the hubs, groups and connections
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
  bench      measure speed and memory of the app (start, negotiate, connected,
             bans, presence, crowd) and of the emulator (fanout, idle, slow); all
             of them by default
  storm      let many clients join one group at once, and report

Each command has --help; --version prints the version. The first call makes .venv and installs into
it what its command needs; test, check, bench and others need more. Later calls need no network.
"""

# Runs on Python 3.8 and later before anything is installed, so only with the standard library.

from __future__ import annotations  # Python 3.8 cannot evaluate these types

import signal

# Ctrl-C waits until main can answer it without a traceback; Windows has no such mask.
if __name__ == "__main__" and hasattr(signal, "pthread_sigmask"):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

from localdev.installation import (
    DEV,
    ROOT,
    RUN,
    VENV_PYTHON,
    InstallationError,
    find_python,
    install,
    is_installed,
    probe,
    say,
)
from localdev.interrupts import INTERRUPTED, mask_interrupts

# What these commands need is a small part of all dependencies.
RUN_COMMANDS = (
    *("demo", "up", "emulator", "host", "token", "status", "provision", "remove", "removals"),
    *("doctor", "policy"),
)
HELP = ("-h", "--help")
BROKEN_PIPE = 141  # 128 and the number of SIGPIPE, as of a shell


def main(arguments: list[str]) -> int:
    try:
        mask_interrupts(False)
        return run_dev(arguments)
    except KeyboardInterrupt:
        say("stopped")
        return INTERRUPTED
    except BrokenPipeError:  # of `dev.py | head`; Python must not flush stdout again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (InstallationError, OSError) as error:  # OSError: a .venv that may not be written
        say(str(error))
        return 1


def run_dev(arguments: list[str]) -> int:
    if not arguments or arguments[0] in (*HELP, "help"):
        print(describe(), flush=True)
        return 0
    if arguments[0] == "--version":
        print(read_version(), flush=True)
        return 0
    if arguments[0] not in commands():
        say(suggest(arguments[0]))
        return 2
    group = RUN if arguments[0] in RUN_COMMANDS else DEV
    if not is_installed(group):
        if any(option in arguments for option in HELP):
            return show_help(arguments)
        install(group)
    return run_command(arguments)


def describe() -> str:
    """Return the help; on Windows, Python's launcher has another name."""
    text = (__doc__ or "").strip()
    return text.replace("python3 dev.py", "py dev.py") if os.name == "nt" else text


def commands() -> list[str]:
    return re.findall(r"^  (\w+) ", describe(), re.MULTILINE)


def suggest(word: str) -> str:
    close = difflib.get_close_matches(word, commands(), n=1)
    hint = f"Did you mean {close[0]}?" if close else "See --help for the commands."
    return f"there is no command {word!r}. {hint}"


def read_version() -> str:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return "Usher " + "".join(re.findall('^version = "(.*)"', project, re.MULTILINE))


def show_help(arguments: list[str]) -> int:
    """Show the help of a command whose needs are not installed: options need no package."""
    if arguments[0] == "bench":  # its options are values of modules that need packages
        print("\n".join(re.findall(r"^  bench .*\n.*", describe(), re.MULTILINE)), flush=True)
        return 0
    python = [str(VENV_PYTHON)] if probe([str(VENV_PYTHON)]) else find_python()
    path = os.pathsep.join([str(ROOT), str(ROOT / "emulator" / "src")])
    command = [*python, "-m", "localdev", *arguments]
    return subprocess.call(command, cwd=str(ROOT), env=dict(os.environ, PYTHONPATH=path))


def run_command(arguments: list[str]) -> int:
    command = [str(VENV_PYTHON), "-m", "localdev", *arguments]
    os.environ["DEV_PY_CALLED_FROM"] = str(Path.cwd())  # for options that name a folder
    os.chdir(str(ROOT))
    if os.name != "nt":  # signals then reach the command itself; on Windows, exec would not wait
        mask_interrupts(True)  # until the command has imported what it needs
        os.execv(command[0], command)
    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
