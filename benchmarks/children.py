"""The processes of a benchmark: started, spoken to, accounted for. What they do is their own."""

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

ROOT = Path(__file__).resolve().parent.parent
ANSWER_SECONDS = 60.0
LOG_TAIL = 2_000
"""How many characters of a process's log are shown when something broke."""

HAS_ACCOUNTING = Path("/proc/self/stat").exists()
NO_ACCOUNTING = "Not measured: this system has no /proc with a process's CPU and memory."


class BenchmarkError(Exception):
    """Something broke, so that there is nothing to measure; the text says what."""


@dataclass(frozen=True)
class Child:
    """A process of ours."""

    process: asyncio.subprocess.Process
    _log: IO[bytes]

    async def call(self, command: str, **arguments: Any) -> Any:
        """Have it carry out a command (localdev/commands.py); returns the result."""
        if self.process.stdin:
            self.process.stdin.write(json.dumps([command, arguments]).encode() + b"\n")
        return json.loads(await self.read_line())

    async def read_line(self) -> str:
        """The next line that it prints; BenchmarkError if none comes."""
        reader = self.process.stdout or asyncio.StreamReader()
        try:
            line = await asyncio.wait_for(reader.readline(), ANSWER_SECONDS)
        except TimeoutError:
            raise BenchmarkError(f"No answer from a process for {ANSWER_SECONDS:.0f} s.") from None
        if not line:
            raise BenchmarkError("A process ended by itself.")
        return line.decode()

    def read_log(self) -> str:
        """What it has written on stderr. It must not write at the same time."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def cpu_seconds(self) -> float:
        """User and system time so far; the system counts in ticks, mostly of 10 ms."""
        # The command's name, in parentheses, may have blanks in it (proc_pid_stat(5)).
        fields = self._read_account("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Resident memory now. The kernel's socket buffers are not in it."""
        return int(self._read_account("statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _read_account(self, name: str) -> str:
        return Path(f"/proc/{self.process.pid}/{name}").read_text()


@asynccontextmanager
async def run_child(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """Runs `python ARGUMENTS` until the block ends; `environment` goes above this process's."""
    with tempfile.TemporaryFile() as log:
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
            # There is nothing to save, and thousands of polite goodbyes take time.
            if process.returncode is None:
                process.kill()
            await process.wait()
