"""Child processes of a benchmark: start them, send them commands, measure CPU and memory."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from localdev.interrupts import interrupts_masked

ROOT = Path(__file__).resolve().parent.parent
ANSWER_SECONDS = 60.0
LOG_TAIL = 2_000  # characters of a process's log that are shown when something broke


class BenchmarkError(Exception):
    """Something broke, so the benchmark has no result. The text says what."""


@dataclass(frozen=True, slots=True)
class Child:
    """A child process."""

    process: asyncio.subprocess.Process
    _log: IO[bytes]

    async def call(self, command: str, **arguments: Any) -> Any:
        """Send a command (localdev/child_commands.py) and return its result."""
        if self.process.stdin:
            self.process.stdin.write(json.dumps([command, arguments]).encode() + b"\n")
        return json.loads(await self.read_line())

    async def read_line(self) -> str:
        """Return the next line of stdout. Raises BenchmarkError if none comes."""
        reader = self.process.stdout or asyncio.StreamReader()
        try:
            line = await asyncio.wait_for(reader.readline(), ANSWER_SECONDS)
        except TimeoutError:
            raise BenchmarkError(f"No answer from a process for {ANSWER_SECONDS:.0f} s.") from None
        if not line:
            raise BenchmarkError("A process ended by itself.")
        return line.decode()

    def read_log(self) -> str:
        """Return what the process wrote to stderr. It must not write at the same time."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def cpu_seconds(self) -> float:
        """Return user and system time so far; many systems count it in steps of 10 ms."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def resident_bytes(self) -> int:
        """Return the resident memory, which excludes the kernel's socket buffers."""
        return psutil.Process(self.process.pid).memory_info().rss


@asynccontextmanager
async def run_child(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """Run `python ARGUMENTS` until the block ends; `environment` adds to this process's."""
    with tempfile.TemporaryFile() as log:
        with interrupts_masked():
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *arguments),
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        child = Child(process, log)
        try:
            yield child
        except BenchmarkError:
            if log_text := child.read_log()[-LOG_TAIL:]:
                print(f"{' '.join(arguments)}:\n{log_text}", file=sys.stderr)
            raise
        finally:
            # Nothing has to be saved, and closing thousands of connections in order takes time.
            if process.returncode is None:
                process.kill()
            await process.wait()
