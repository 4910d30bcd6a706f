"""Runs the browser module in Node.js."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from localdev.stack import ROOT
from tests.npm import npm_packages

MODULE = ROOT / "web" / "usher.js"
CASES = Path(__file__).parent / "cases.json"
SCRIPTS = Path(__file__).parent / "javascript"
SECONDS = 120  # the longest wait for a line of a member

type Line = dict[str, Any]


def find_node() -> str:
    """Return the path of Node.js. Skip the test if there is none."""
    node = shutil.which("node")
    if not node:
        pytest.skip("needs Node.js, and it was not found")
    return node


def copy_module(folder: Path) -> Path:
    """Copy the module to a folder in which Node.js takes it for an ES module."""
    shutil.copyfile(MODULE, folder / "usher.js")
    (folder / "package.json").write_text('{"type": "module"}', "utf-8")
    return folder / "usher.js"


def copy_script(folder: Path, name: str) -> Path:
    """Copy a script and the module that it imports to a folder, and return the script's copy."""
    copy_module(folder)
    return Path(shutil.copyfile(SCRIPTS / name, folder / name))


def run_script(folder: Path, name: str, *arguments: str) -> str:
    """Run a script that imports "./usher.js", and return what it prints."""
    command = [find_node(), str(copy_script(folder, name)), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    assert not done.returncode, done.stderr
    return done.stdout


@dataclass(slots=True)
class Member:
    """A process of Node.js in a room. `lines` has what it printed."""

    process: asyncio.subprocess.Process
    lines: list[Line] = field(default_factory=list)
    read: int = 0

    async def expect(self, is_wanted: Callable[[Line], Any]) -> Line:
        """Return the next line that is wanted. Later calls begin after it."""
        while True:
            for line in self.lines[self.read :]:
                self.read += 1
                if is_wanted(line):
                    return line
            await asyncio.wait_for(self._read_line(), SECONDS)

    async def expect_event(self, name: str, *details: Any) -> list[Any]:
        """Return the details of the next event with this name and with these first details."""

        def is_wanted(line: Line) -> bool:
            begins_so = line.get("details", [])[: len(details)] == list(details)
            return line.get("event") == name and begins_so

        found: list[Any] = (await self.expect(is_wanted))["details"]
        return found

    async def expect_data(self, data: Any) -> None:
        """Expect a message with this data."""

        def is_wanted(line: Line) -> bool:
            return line.get("event") == "message" and line["details"][0]["data"] == data

        await self.expect(is_wanted)

    async def evaluate(self, code: str) -> Any:
        """Return the value of an expression. Raises AssertionError if it throws."""
        line = await self.run(code)
        assert "value" in line, line
        return line["value"]

    async def run(self, code: str) -> Line:
        """Return the line with the value of an expression, or with its error."""
        assert self.process.stdin
        self.process.stdin.write(f"{code}\n".encode())
        position, self.read = self.read, len(self.lines)
        line = await self.expect(lambda line: "value" in line or "error" in line)
        self.read = position
        return line

    def events(self, *names: str) -> list[Any]:
        """Return all details of the events with these names so far, in order."""
        return [line["details"] for line in self.lines if line.get("event") in names]

    async def _read_line(self) -> None:
        assert self.process.stdout
        text = await self.process.stdout.readline()
        assert text, f"the process ended after {self.lines}"
        self.lines.append(json.loads(text))


@asynccontextmanager
async def member(folder: Path, host: str, **options: Any) -> AsyncIterator[Member]:
    """Run a member of a room. Its process must end by itself once it has left."""
    node, modules = find_node(), npm_packages(SCRIPTS, "the browser module")
    facts = {"modules": str(modules), "negotiate": f"{host}/api/negotiate", **options}
    process = await asyncio.create_subprocess_exec(
        node,
        str(copy_script(folder, "member.mjs")),
        json.dumps(facts),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Member(process)
        assert process.stdin
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), SECONDS) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
