"""A copy of what `dev.py up` needs of the checkout: tests may write into it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from localdev.stack import ROOT

FILES = ("function_app.py", "host.json", "policy.json", "local.settings.sample.json")
FOLDERS = ("usher", "localdev", "web", "api")
UP = [sys.executable, "-m", "localdev", "up", "--emulator-port", "0", "--host-port", "0"]


def make_checkout(folder: Path) -> Path:
    """Copy into the folder, which must not exist, and return it."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    return folder


def environment(**settings: str) -> dict[str, str]:
    """Return this environment without settings of the app: only the settings in the copy count."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("USHER_", "WebPubSub"))
    }
    return own | settings


def call_up(folder: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `up` to its end."""
    return subprocess.run(
        [*UP, *options],
        cwd=folder,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
