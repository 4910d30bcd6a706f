"""The child's side of a benchmark or a storm: carries out the commands that its parent sends.

A command is one line of JSON on stdin: [name, arguments]. Its result is one line of JSON on
stdout. The parent's side is in benchmarks/children.py and localdev/storm/stack.py.
"""

import asyncio
import json
import signal
import sys
from typing import Any, cast


async def obey(subject: object) -> None:
    """Carry out commands until stdin ends.

    The commands are the subject's public methods, which are coroutines.
    """
    # Ctrl-C reaches all processes; the parent ends its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, arguments = cast(tuple[str, dict[str, Any]], json.loads(line))
        print(json.dumps(await getattr(subject, command)(**arguments)), flush=True)
