"""Starts the emulator in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webpubsub_emulator.tokens import ACCESS_KEY

STOP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Running:
    """A running emulator. `facts` is the line of JSON that it printed when it was ready."""

    facts: dict[str, Any]
    log_file: Path

    def log(self) -> str:
        """Return everything written on stderr so far."""
        return self.log_file.read_text("utf-8")


@contextmanager
def run_emulator(log_file: Path, *arguments: str) -> Iterator[Running]:
    """Run the emulator on a free port until the block ends, with a log at DEBUG.

    SIGTERM must end it with status 0, and its log must show no key, token or signature.
    """
    command = [sys.executable, "-m", "webpubsub_emulator", "--json", "--port", "0", *arguments]
    environment = os.environ | {"LOG_LEVEL": "DEBUG"}
    with log_file.open("w") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        line = process.stdout.readline() if process.stdout else ""
        assert line, f"the emulator did not start:\n{log_file.read_text('utf-8')}"
        yield Running(json.loads(line), log_file)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            rest, _ = process.communicate(timeout=STOP_SECONDS)
        finally:
            process.kill()
    written = log_file.read_text("utf-8")
    assert (process.returncode, rest) == (0, ""), written
    assert not [secret for secret in (ACCESS_KEY, "eyJ", "sha256=") if secret in written]
