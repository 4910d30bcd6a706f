"""The reducer of the browser module, by the table that its twin in Python shares."""

import json
from typing import Any

import pytest

from tests.presence.node import CASES, run_script

TABLE: list[dict[str, Any]] = json.loads(CASES.read_text("utf-8"))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Return what the module made of each case, by the case's name."""
    folder = tmp_path_factory.mktemp("reducer")
    return dict(zip(names(), json.loads(run_script(folder, "reduce.mjs", str(CASES))), strict=True))


def names() -> list[str]:
    return [case["name"] for case in TABLE]


def test_each_case_has_its_own_name_and_an_expectation_for_each_message() -> None:
    assert len(TABLE) >= 30
    assert len(set(names())) == len(TABLE)
    assert all(len(case["messages"]) == len(case["expect"]) for case in TABLE)


@pytest.mark.parametrize("case", TABLE, ids=names())
def test_the_reducer_does_what_the_table_says(
    results: dict[str, list[dict[str, Any]]], case: dict[str, Any]
) -> None:
    """It also changes no argument, and the same message again changes nothing."""
    extra = {"isPure": True, "isIdempotent": True}
    expected = [{**one, **extra} for one in case["expect"]]
    result = [{**one, "users": dict(one["users"])} for one in results[case["name"]]]
    assert result == expected
