"""The processes of a storm: started, spoken to, ended. What they do is their own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from localdev.stack import ROOT, StackError

LONGEST_LINE = 2**26  # bytes
STOP_SECONDS = 5


@dataclass(frozen=True)
class Child:
    """A process that obeys."""

    process: asyncio.subprocess.Process

    async def call(self, command: str, **arguments: Any) -> Any:
        """Has it carry out a command (localdev/commands.py); StackError if it ends instead."""
        if self.process.stdin and self.process.stdout:
            self.process.stdin.write(json.dumps([command, arguments]).encode() + b"\n")
            if line := await self.process.stdout.readline():
                return json.loads(line)
        raise StackError(f"A process of the storm ended by itself, at {command!r}.")


@asynccontextmanager
async def run_child(module: str) -> AsyncIterator[Child]:
    """Runs `python -m MODULE` until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
    )
    try:
        yield Child(process)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
