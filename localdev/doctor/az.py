"""Questions to Azure with `az`, if it is installed and logged in."""

import json
import shutil
from typing import Any

from localdev.doctor.child import ChildError, run_child

OTHER_FORM = "the output of `az` has another form than expected"


class AzError(Exception):
    """Azure cannot be asked; the text says why and quotes no output."""


async def ask_az(*words: str, **options: str) -> Any:
    """Return the JSON that a command prints: `az WORDS --OPTION VALUE`. Raises AzError."""
    command = shutil.which("az")
    if command is None:
        raise AzError("`az` is not installed")
    listed = [each for name, value in options.items() for each in (_option(name), value)]
    try:
        done = await run_child(command, *words, *listed, "--output", "json")
    except ChildError as error:
        raise AzError(f"`az` {error}") from None
    if done.status != 0:
        first = next(iter(done.errors.strip().splitlines()), "no error message")
        raise AzError(f"`az {' '.join(words)}` failed ({first})")
    try:
        return json.loads(done.output)
    except ValueError:
        raise AzError(OTHER_FORM) from None


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
