"""The child's side of a benchmark or a storm: carries out commands, one line of JSON each.

A command is [name, arguments] on stdin; its result is a line on stdout. Either package has the
other side of that in children.py.
"""

import asyncio
import json
import signal
import sys
from typing import Any, cast


async def obey(subject: object) -> None:
    """Until stdin ends. The commands are the subject's public methods, which are coroutines."""
    # Ctrl-C reaches all processes; the parent ends its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, arguments = cast(tuple[str, dict[str, Any]], json.loads(line))
        print(json.dumps(await getattr(subject, command)(**arguments)), flush=True)
