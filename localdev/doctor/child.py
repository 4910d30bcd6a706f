"""Child processes: the app's own check of settings, and `az`. No failure of one is a traceback."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localdev.doctor.calls import describe_failure

CHILD_SECONDS = 60.0  # `az` may wait for a login


class ChildError(Exception):
    """A child process did not start or did not end; the text says which, after its name."""


@dataclass(frozen=True, slots=True)
class Result:
    """A child process that ended. Its output may contain secrets."""

    status: int
    output: str
    errors: str


async def run_child(
    *command: str, environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> Result:
    """Run a command to its end. Raises ChildError."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=None if environ is None else dict(environ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except (OSError, ValueError) as error:  # ValueError: a text that no environment can have
        raise ChildError(f"cannot be started ({describe_failure(error)})") from None
    output, errors = await _wait_for(process)
    return Result(process.returncode or 0, *(_decode(each) for each in (output, errors)))


async def _wait_for(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    try:
        return await asyncio.wait_for(process.communicate(), CHILD_SECONDS)
    except TimeoutError:
        raise ChildError(f"did not end within {CHILD_SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _decode(text: bytes) -> str:
    return text.decode(errors="replace")
