"""The messages that Usher sent in processes that the tests started (inject/sitecustomize.py)."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.messages.description import find_problem

INJECT = Path(__file__).parent / "inject"
CHANNELS = {"groups": "group", "connections": "connection"}


@dataclass(slots=True)
class SentMessages:
    """The file to which all processes append, and how far it was read."""

    file: Path
    _read: int = field(default=0, init=False)

    def environment(self) -> Mapping[str, str]:
        """Return the variables with which a process appends its messages."""
        paths = [str(INJECT), os.environ.get("PYTHONPATH", "")]
        return {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "SENT_MESSAGES_FILE": str(self.file),
        }

    def read(self) -> Iterator[dict[str, str]]:
        """Yield the messages since the last call."""
        if not self.file.exists():
            return
        with self.file.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if line.endswith(b"\n"):  # otherwise it is still being written
                    self._read += len(line)
                    yield json.loads(line)

    def check(self) -> list[dict[str, str]]:
        """Return the messages since the last call. AssertionError if one is not described."""
        messages = list(self.read())
        problems = [problem for message in messages if (problem := describe_problem(message))]
        assert not problems, "\n".join(problems)
        return messages


def describe_problem(message: Mapping[str, str]) -> str | None:
    """Return what is wrong with a message, with its path and body; None if it is described."""
    path, kind, body = message["path"], message["contentType"], message["body"]
    channel = CHANNELS.get(path.split("/")[-3], "")
    problem = find_problem(channel, kind, body) if channel else "no such channel"
    if problem is None:
        return None
    what = f"{kind} {body[:500]} to {path}"
    return f"Usher sent what api/asyncapi.yaml does not describe: {what}\n  {problem}"
