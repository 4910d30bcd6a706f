"""Python imports this in each process that tests start, because they add its folder to PYTHONPATH.

It records the messages that the app sends: each request of `usher.service.pubsub` to `:send`
becomes a line of the file in the environment.
"""

import json
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

MODULE = "usher.service.pubsub"
FILE = "SENT_MESSAGES_FILE"


class Finder(MetaPathFinder):
    """Finds only `MODULE`, once, and changes it after its own code has run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def execute_and_record(module: ModuleType) -> None:
                execute(module)
                record_requests(module)

            loader.exec_module = execute_and_record
        return spec


def record_requests(module: Any) -> None:
    """Give each pipeline to the service a policy that records."""
    build, policy = module.AsyncPipeline, module.SansIOHTTPPolicy

    def build_recorded(transport: Any, policies: Sequence[Any]) -> Any:
        recorder = policy()
        recorder.on_request = lambda request: record(request.http_request)
        return build(transport, [recorder, *policies])

    module.AsyncPipeline = build_recorded


def record(request: Any) -> None:
    """Append the request to the file, if it sends a message."""
    path = request.url.partition("?")[0]
    if not path.endswith("/:send"):
        return
    body = request.content
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    line = {"path": path, "contentType": request.headers.get("Content-Type", ""), "body": text}
    # One write to a file that is open for appending, so lines of several processes do not mix.
    with open(os.environ[FILE], "ab", buffering=0) as file:  # noqa: PTH123 - starts faster
        file.write(json.dumps(line).encode() + b"\n")


if FILE in os.environ:
    sys.meta_path.insert(0, Finder())
