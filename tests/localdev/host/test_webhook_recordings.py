"""The webhook answers as recorded from the real Web PubSub extension."""

from typing import Any

import pytest

from localdev.host.answers import answer_event
from localdev.host.bindings import Answer
from localdev.host.webhook import EventCall, Webhook
from tests.localdev.host.recorded import (
    Case,
    comparable_answer,
    expected_answer,
    make_listeners,
    read_argument,
    read_bytes,
    read_cases,
    read_outcome,
)

CASES = read_cases()


def check(case: Case, parameter: str = "request") -> Answer | EventCall:
    """Send a recorded request through the checks, to functions that bind one parameter."""
    headers = [(name, value) for name, value in case["headers"]]
    webhook = Webhook(make_listeners(case, parameter))
    return webhook.check(case["method"], headers, read_bytes(case["body"]))


def test_all_recordings_are_here() -> None:
    """The recordings are complete, each with its own name."""
    assert len({case["name"] for case in CASES}) == len(CASES) == 430


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_answer(case: Case) -> None:
    """The answer is the recorded one, by a call of the recorded function."""
    result = check(case)
    called = {}
    if isinstance(result, EventCall):
        called = {"called": int(result.function_name)}
        answer = answer_event(result.context, read_outcome(case))
    else:
        answer = result
    assert called == {name: case[name] for name in ("called",) if name in case}
    assert comparable_answer(answer, case["answer"]) == expected_answer(case)


def received(case: Case, parameter: str) -> Any:
    """Return what the function of a recorded request gets for one parameter."""
    result = check(case, parameter)
    assert isinstance(result, EventCall)
    return read_argument(result.argument, case["receives"][parameter])


@pytest.mark.parametrize(
    "case", [case for case in CASES if "receives" in case], ids=lambda case: case["name"]
)
def test_received_parameters(case: Case) -> None:
    """Each parameter of the function gets the recorded value."""
    expected = {name: next(iter(value.values())) for name, value in case["receives"].items()}
    assert {name: received(case, name) for name in expected} == expected
