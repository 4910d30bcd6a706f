"""Holds the reducer of the browser module against what the Python twin made of the same messages.

Clients of the simulation run on the twin. If the module makes the same of every message, then they
would have done the same on the module.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from localdev.presence import State, apply_presence, present_users
from tests.presence.node import run_script

type Result = tuple[list[str], list[str], bool]


class Replayed(NamedTuple):
    """The messages of one reducer, what it made of each, and who was there at the end."""

    messages: Sequence[Any]
    results: Sequence[Result]
    users: dict[str, int]


class Replay:
    """Collects what the twin did, for one process of Node.js. Without Node.js it does nothing."""

    def __init__(self, folder: Path) -> None:
        self._has_node, self._folder = bool(shutil.which("node")), folder
        self._lines: list[str] = []
        self._expected: list[tuple[str, list[Any]]] = []

    def add(self, name: str, reducers: Sequence[Replayed]) -> None:
        """Add the reducers of a history."""
        if self._has_node:
            messages = {id(one): one for reducer in reducers for one in reducer.messages}
            numbers = {identity: n for n, identity in enumerate(messages)}
            clients = [[numbers[id(one)] for one in reducer.messages] for reducer in reducers]
            line = {"messages": [*messages.values()], "clients": clients}
            self._lines.append(json.dumps(line))
            self._expected.append((name, [_describe(reducer) for reducer in reducers]))

    def compare(self) -> None:
        """Run the module. Raises AssertionError for the first difference."""
        if self._has_node:
            file = self._folder / "histories.jsonl"
            file.write_text("\n".join(self._lines), "utf-8")
            answers = run_script(self._folder, "replay.mjs", str(file)).splitlines()
            for (name, expected), answer in zip(self._expected, answers, strict=True):
                assert json.loads(answer) == expected, name


def _describe(reducer: Replayed) -> Any:
    users = sorted([*pair] for pair in reducer.users.items())
    return {"users": users, "results": [[*result] for result in reducer.results]}


def replay(messages: Sequence[Any]) -> Replayed:
    """Run messages through the twin."""
    state: State | None = None
    results: list[Result] = []
    for message in messages:
        result = apply_presence(state, message)
        state = result.state
        results.append((result.joined, result.left, result.is_behind))
    return Replayed(messages, results, present_users(state))
