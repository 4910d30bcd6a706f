"""Fixtures of the host's tests: running hosts, each in its own process for the session."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

SAMPLE_APP = Path(__file__).parent / "apps" / "sample"
# Written to a file at run time, because git ignores files of this name.
SAMPLE_SETTINGS = {
    "IsEncrypted": False,
    "Values": {
        "SampleHub": "chat",
        "FromFile": "file",
        "AzureWebJobs.switched_off.Disabled": "true",
        "AzureWebJobs.event_switched_off.Disabled": "1",
        "WebPubSubConnectionString": "Endpoint=http://localhost;AccessKey=sample-key;Version=1.0;",
    },
    "Host": {"CORS": "http://page.example", "CORSCredentials": True},
}
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class RunningHost:
    """A host process: its address, and the file with its stderr."""

    address: str
    log: Path

    def log_text(self) -> str:
        """Return all that the host has printed on stderr so far."""
        return self.log.read_text()


def start_host(
    app_dir: Path, stderr: IO[str] | int, *rest: str, port: int = 0
) -> subprocess.Popen[str]:
    """Start the host's process for an app; it responds after 0.5 s where Azure would hang."""
    module = [sys.executable, "-m", "tests.localdev.host.serve"]
    arguments = [*module, str(app_dir), str(port), "0.5", *rest]
    return subprocess.Popen(arguments, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=stderr)


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host with the sample app."""
    with run_sample(tmp_path_factory.mktemp("host")) as running:
        yield running


@pytest.fixture(scope="session")
def keyed_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host with the sample app that requires KEYS."""
    with run_sample(tmp_path_factory.mktemp("keyed-host"), "keys") as running:
        yield running


@contextmanager
def run_sample(folder: Path, *rest: str) -> Iterator[RunningHost]:
    """Run a host with the sample app and these further arguments until the block ends."""
    app_dir = folder / "sample"
    shutil.copytree(SAMPLE_APP, app_dir, ignore=shutil.ignore_patterns("__*"))
    (app_dir / "local.settings.json").write_text(json.dumps(SAMPLE_SETTINGS))
    with run_app(app_dir, *rest) as running:
        yield running


@contextmanager
def run_app(app_dir: Path, *rest: str) -> Iterator[RunningHost]:
    """Run a host with the app of a folder and these further arguments until the block ends."""
    log = app_dir.parent / "stderr.txt"
    with log.open("w") as stderr:
        process = start_host(app_dir, stderr, *rest)
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, log.read_text()
            yield RunningHost(address, log)
        finally:
            process.terminate()
            process.communicate(timeout=60)
