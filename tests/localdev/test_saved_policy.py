"""Tests of localdev/saved_policy.py: what an editor does to the file, and what the app reads."""

import asyncio
from pathlib import Path

import pytest

from localdev import saved_policy
from localdev.saved_policy import SavedPolicy

SECONDS = 60


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SavedPolicy:
    monkeypatch.setattr(saved_policy, "POLL_SECONDS", 0.02)
    file = tmp_path / "policy.json"
    file.write_text("one")
    (tmp_path / "copies").mkdir()
    return SavedPolicy(file, tmp_path / "copies")


async def test_a_save_reaches_the_copy_only_when_it_is_taken(policy: SavedPolicy) -> None:
    """So the app never reads what was not checked. The copy has the file's name."""
    before = policy.copy
    policy.file.write_text("two")
    assert before.read_text() == "one"
    await asyncio.wait_for(policy.wait_for_save(), SECONDS)
    assert (before.read_text(), policy.copy.read_text()) == ("one", "two")
    assert policy.copy.name == "policy.json"


async def test_a_file_that_is_replaced_or_missing_for_a_while(policy: SavedPolicy) -> None:
    """As editors do: they rename another file, or delete and write."""
    waiting = asyncio.create_task(policy.wait_for_save())
    policy.file.unlink()
    await asyncio.sleep(0)  # the wait has begun
    other = policy.file.with_suffix(".new")
    other.write_text("two")
    other.replace(policy.file)
    await asyncio.wait_for(waiting, SECONDS)
    assert policy.copy.read_text() == "two"


async def test_a_save_without_a_change_is_none(policy: SavedPolicy) -> None:
    waiting = asyncio.create_task(policy.wait_for_save())
    policy.file.write_text("one")
    await asyncio.sleep(0)
    policy.file.write_text("two")
    await asyncio.wait_for(waiting, SECONDS)
    assert policy.copy.read_text() == "two"
    assert len(list(policy.copy.parent.parent.iterdir())) == 2


def test_a_missing_file_has_no_copy(tmp_path: Path) -> None:
    assert SavedPolicy(tmp_path / "none.json", tmp_path).copy == tmp_path / "none.json"
