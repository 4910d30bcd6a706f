"""Tests of localdev/kept_keys.py: the keys that stay between two starts."""

import json
import os
import stat
from dataclasses import asdict
from pathlib import Path

import pytest

from localdev.host.keys import make_keys
from localdev.kept_keys import keep_keys
from localdev.stack import StackError


def test_the_keys_stay_until_the_file_is_deleted(tmp_path: Path) -> None:
    file = tmp_path / "local.keys.json"
    keys = keep_keys(file)
    assert keep_keys(file) == keys
    file.unlink()
    assert keep_keys(file) != keys


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / "local.keys.json"
    keep_keys(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


GOOD = asdict(make_keys())
DAMAGED = [
    "",
    "[]",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    json.dumps(GOOD)[:-20],
    json.dumps(GOOD | {"function": ""}),
    json.dumps(GOOD | {"function": 1}),
    json.dumps(GOOD | {"other": GOOD["master"]}),
    json.dumps({"master": GOOD["master"]}),
]


@pytest.mark.parametrize("number", range(len(DAMAGED)))
def test_a_damaged_file_is_named_with_the_fix(tmp_path: Path, number: int) -> None:
    """An empty key would admit everybody. The text shows no key."""
    file = tmp_path / "local.keys.json"
    file.write_text(DAMAGED[number], "latin-1")
    with pytest.raises(StackError) as caught:
        keep_keys(file)
    text = "local.keys.json is damaged. Delete it: the next start makes new keys."
    assert str(caught.value) == text
    assert file.exists()


def test_a_file_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"cannot be read: Is a directory|Permission denied"):
        keep_keys(tmp_path)
    with pytest.raises(StackError, match="cannot be written: No such file"):
        keep_keys(tmp_path / "none" / "local.keys.json")
