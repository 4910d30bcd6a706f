"""Start an app once: `python -m benchmarks.starter FOLDER REQUEST MODULES`.

Loads the app, sends the first request (`negotiate` or `connected`), prints the times, and waits
until stdin ends, so that its memory can be measured. MODULES, a list in JSON, are imported first,
as if the app imported them at its top.
"""

import asyncio
import importlib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localdev.host import runtime
from localdev.host.bindings import HttpRequest
from localdev.host.runtime import Function

NEGOTIATE = HttpRequest(
    method="POST",
    url="http://127.0.0.1:7071/api/negotiate",
    headers={"content-type": "application/json"},
    route_parameters={},
    query={},
    body=b'{"userId": "ana", "group": "lobby"}',
)


async def start(folder: Path, request: str, modules: list[str]) -> dict[str, Any]:
    """Return times in ns of the monotonic clock, which all processes share, and late imports."""
    for name in modules:
        importlib.import_module(name)
    functions = {each.name: each for each in runtime.load_functions(folder)}
    indexed, known = time.monotonic_ns(), set(sys.modules)
    await REQUESTS[request](functions)
    answered = time.monotonic_ns()
    later = [name for name in sys.modules if name not in known]
    return {"indexed": indexed, "answered": answered, "later": later}


async def negotiate(functions: Mapping[str, Function]) -> None:
    """Request a token. Raises RuntimeError if there is none."""
    answer = await runtime.call_http(functions["negotiate"], NEGOTIATE)
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {answer.body.decode()}")


async def connected(functions: Mapping[str, Function]) -> None:
    """Send the `connect` and `connected` events of a new connection."""
    from benchmarks.inputs import Connection  # imports much that the other request does not need

    connection = Connection(0, os.environ["WebPubSubHub"])
    argument = connection.connect_argument()
    connection.take_answer(await runtime.call_event(functions["connect"], argument))
    argument = connection.connected_argument()
    outcome = await runtime.call_event(functions["connected"], argument)
    if outcome.failed:
        raise RuntimeError("the event failed")


REQUESTS = {"negotiate": negotiate, "connected": connected}


if __name__ == "__main__":
    facts = start(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
    print(json.dumps(asyncio.run(facts)), flush=True)
    sys.stdin.read()
