"""Starts the commands that the journeys need, each in its own process, and reads their logs."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localdev.stack import ROOT, sample_settings
from webpubsub_emulator import ACCESS_KEY

START_SECONDS = 120  # a busy machine is no failure
STOP_SECONDS = 60
EVERYTHING = {"USHER_POLICY_FILE": "tests/e2e/any_room.json", "LOG_LEVEL": "DEBUG"}


@dataclass(frozen=True, slots=True)
class Running:
    """A process that is ready; `facts` is the line of JSON that it printed."""

    process: subprocess.Popen[str]
    facts: dict[str, Any]
    log_file: Path

    def log(self) -> str:
        """Return what the process has written on stderr so far."""
        return self.log_file.read_text("utf-8")

    def records(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return the app's log records with these values, oldest first."""
        lines = [line.partition(" usher: ")[2] for line in self.log().splitlines()]
        records = [json.loads(line) for line in lines if line.startswith("{")]
        return [r for r in records if all(r.get(key) == wanted[key] for key in wanted)]

    def wait_for_record(self, **wanted: Any) -> dict[str, Any]:
        """Wait for the first record with these values and return it."""
        return self._wait(lambda: self.records(**wanted), f"record {wanted}")[0]

    def wait_for_request(self, function: str, count: int) -> None:
        """Wait until the host has finished that many requests to a function."""
        ending = f" ms {function}"
        self._wait(
            lambda: sum(line.endswith(ending) for line in self.log().splitlines()) >= count,
            f"{count} requests to {function}",
        )

    def _wait[T](self, look: Callable[[], T], what: str) -> T:
        deadline = time.monotonic() + START_SECONDS
        while not (found := look()):
            assert time.monotonic() < deadline, f"no {what} in:\n{self.log()}"
            time.sleep(0.02)
        return found


@contextmanager
def run(
    module: Sequence[str],
    log_file: Path,
    settings: Mapping[str, str] | None = None,
    status: int = 0,
) -> Iterator[Running]:
    """Run `python -m MODULE ...` until the block ends; SIGTERM must then end it with `status`.

    The sample settings are in its environment, so that no local.settings.json counts. Other than
    in the sample, any user may join any room, every record is logged, and the bans are in the
    log's folder.
    """
    own = {"USHER_BANS": f"sqlite:{log_file.parent / 'bans.sqlite'}"}
    environment = {**os.environ, **sample_settings(), **EVERYTHING, **own, **(settings or {})}
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line, f"{module} did not start:\n{log_file.read_text('utf-8')}"
        yield Running(process, json.loads(line), log_file)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            rest, _ = process.communicate(timeout=STOP_SECONDS)
        finally:
            process.kill()
    written = log_file.read_text("utf-8")
    assert (process.returncode, rest) == (status, ""), written
    # Keys, tokens of any kind and the signatures of events must never be in a log.
    assert not [secret for secret in (ACCESS_KEY, "eyJ", "sha256=") if secret in written]


def is_masked(process_id: int, number: signal.Signals) -> bool:
    """Return whether a process lets a signal wait. Only Linux shows it."""
    (mask,) = re.findall("SigBlk:\t(.*)", Path(f"/proc/{process_id}/status").read_text("utf-8"))
    return bool(int(mask, 16) & 1 << number - 1)
