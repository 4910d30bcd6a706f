"""Tests of localdev/policy_lines.py."""

from pathlib import Path

import pytest

from localdev.policy_lines import find_line

POLICY = """{
  "$schema": "api/policy.schema.json",
  "rules": [
    {"caller": {"claim": "allow", "value": "]"},
     "group": "lobby",
     "allow": ["join"]},

    {
      "caller": "any",
      "group": "a/b",
      "allow": ["all"]
    }
  ]
}
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("policy.json rules[0]", 4),
        ("policy.json rules[0].allow", 6),
        ("policy.json rules[1]", 8),
        ("policy.json rules[1].group", 10),
        ("policy.json", None),
    ],
)
def test_the_line_of_a_place(place: str, line: int | None, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(POLICY, "utf-8")
    assert find_line(file, place) == line


def test_the_line_where_json_ends(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(POLICY.replace('"any",', '"any"'), "utf-8")
    assert find_line(file, "policy.json") == 10


@pytest.mark.parametrize("content", [None, b"\xff", b"[" * 100_000])
def test_a_file_that_has_no_lines(content: bytes | None, tmp_path: Path) -> None:
    """It is missing, no UTF-8, or too deep to parse."""
    file = tmp_path / "policy.json"
    if content is not None:
        file.write_bytes(content)
    assert find_line(file, "policy.json") is None
