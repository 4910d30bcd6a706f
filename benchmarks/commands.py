"""The child's side of a benchmark: carries out commands, one line of JSON each.

A command is [name, arguments] on stdin; its result is a line on stdout. processes.py is the other
side of that.
"""

import asyncio
import json
import sys
from typing import Any, cast


async def obey(subject: object) -> None:
    """Until stdin ends. The commands are the subject's public methods, which are coroutines."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, arguments = cast(tuple[str, dict[str, Any]], json.loads(line))
        print(json.dumps(await getattr(subject, command)(**arguments)), flush=True)
