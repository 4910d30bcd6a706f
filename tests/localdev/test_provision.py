import json
from typing import Any

import pytest

from localdev.provision import describe_problem, read_key
from localdev.stack import StackError

FAILED = {"detail": "Busy.", "step": "announceJoin", "done": ["generateToken", "addConnection"]}


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        ({"detail": "No."}, "429 No."),
        (
            FAILED | {"mayBeDone": False},
            "429 Busy. Step announceJoin; done: generateToken, addConnection.",
        ),
        (
            FAILED | {"done": [], "mayBeDone": True},
            "429 Busy. Step announceJoin; done: nothing, and maybe this step.",
        ),
    ],
)
def test_problems_are_one_line(problem: dict[str, Any], line: str) -> None:
    """With the steps that were completed, if the problem names them."""
    assert describe_problem(429, json.dumps(problem)) == line


@pytest.mark.parametrize("text", ["", "<html>", "[]", "{}"])
def test_responses_without_a_problem_document(text: str) -> None:
    """The line has the status; 401 comes from the host, which requires a key."""
    assert describe_problem(502, text) == "The host answered 502."
    assert "--key-from-env" in describe_problem(401, text)


def test_the_key_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable is an error; without a variable there is no header."""
    monkeypatch.setenv("KEY", "k")
    assert read_key("KEY") == {"x-functions-key": "k"}
    assert read_key(None) == {}
    monkeypatch.setenv("KEY", "")
    with pytest.raises(StackError, match="KEY is not set"):
        read_key("KEY")
