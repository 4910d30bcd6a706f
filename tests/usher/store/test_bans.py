"""Bans: who is out, until when, although instances have different clocks and write at once."""

import asyncio
import random
import time
from pathlib import Path

import pytest

from tests.usher.groups.removal_world import MemoryStore
from tests.usher.settings import make_settings
from usher.errors import (
    BansOffError,
    NotFoundError,
    RemovedError,
    StoreError,
    TooManyBansError,
)
from usher.settings import Settings
from usher.store.bans import PAGE, WRITES, Bans
from usher.store.entries import Entry
from usher.store.sqlite import SqliteStore

SETTINGS = make_settings()


@pytest.fixture
def bans(tmp_path: Path) -> Bans:
    return Bans(SqliteStore(tmp_path / "bans.sqlite"), SETTINGS)


async def is_out(bans: Bans, user: str | None, *groups: str) -> bool:
    try:
        await bans.check(user, groups)
    except RemovedError:
        return True
    return False


async def test_a_ban_is_for_one_user_and_one_group_or_the_hub(bans: Bans) -> None:
    """A connection without a user cannot be removed."""
    await bans.add("mallory", None, 60, "spam")
    await bans.add("eve", "lobby", 60, "")
    assert await is_out(bans, "mallory", "lobby")
    assert await is_out(bans, "eve", "attic", "lobby")
    for user, group in [("eve", "attic"), ("Mallory", "lobby"), ("bo", "lobby"), (None, "lobby")]:
        assert not await is_out(bans, user, group)


async def test_what_a_removed_user_is_told(bans: Bans) -> None:
    ban, _ = await bans.add("eve", "lobby", 60, "spam")
    with pytest.raises(RemovedError) as caught:
        await bans.check("eve", ["lobby"])
    error = caught.value
    until = ban.describe()["until"]
    assert (error.status, error.kind, error.field) == (403, "removed", "group")
    assert error.detail == f"The user was removed from this group until {until}. Reason: spam"
    assert error.members == {"group": "lobby", "until": until, "reason": "spam"}


async def test_a_ban_ends(bans: Bans, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time of the store, which is this machine's here."""
    await bans.add("mallory", None, 60, "")
    now = time.time()
    for minutes, expected in [(59, True), (61, False)]:
        monkeypatch.setattr(time, "time", lambda passed=minutes: now + 60 * passed)
        assert await is_out(bans, "mallory") is expected
        assert bool((await bans.list(""))[0]) is expected
    _, is_new = await bans.add("mallory", None, 60, "")
    assert is_new


async def test_another_hub_has_other_bans(tmp_path: Path) -> None:
    """Hubs are compared without case, as by the service."""
    store = SqliteStore(tmp_path / "bans.sqlite")
    await Bans(store, make_settings(hub="chat")).add("mallory", None, 60, "")
    assert await is_out(Bans(store, make_settings(hub="CHAT")), "mallory")
    other = Bans(store, make_settings(hub="chat2"))
    assert not await is_out(other, "mallory")
    assert await other.list("") == ([], None)


@pytest.mark.parametrize("user", ["a#b?c\\d%e", "zoë 🦊", "x" * 4000, "auth0|7", "."])
async def test_user_ids_of_any_characters(bans: Bans, user: str) -> None:
    await bans.add(user, "lobby", 60, "")
    assert await is_out(bans, user, "lobby")
    assert (await bans.list(""))[0][0].user_id == user


async def test_writers_at_the_same_time_lose_nothing() -> None:
    """Two instances remove one user from several groups."""
    store = MemoryStore(random.Random(1))  # noqa: S311 - the test must repeat
    instances = [Bans(store, SETTINGS) for _ in range(2)]
    adding = [bans.add("mallory", group, 60, "") for bans in instances for group in "ab"]
    results = await asyncio.gather(*adding)
    assert sum(is_new for _, is_new in results) == 2
    assert {ban.group for ban in (await instances[0].list(""))[0]} == {"a", "b"}


async def test_other_writers_that_are_always_faster() -> None:
    store = MemoryStore(random.Random(1))  # noqa: S311
    calls = 0

    async def lose(entry: Entry) -> bool:
        nonlocal calls
        calls += 1
        return False

    store.put = lose  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        await Bans(store, SETTINGS).add("mallory", None, 60, "")
    assert calls == WRITES


async def test_pages(bans: Bans) -> None:
    users = [f"user-{number}" for number in range(PAGE + 3)]
    for user in users:
        await bans.add(user, None, 60, "")
    first, after = await bans.list("")
    assert after
    second, end = await bans.list(after)
    assert (len(first), len(second), end) == (PAGE, 3, None)
    assert {ban.user_id for ban in (*first, *second)} == {*users}


async def test_a_user_with_too_many_bans(bans: Bans) -> None:
    """An entry of a table has limited room; characters outside of the BMP count twice."""

    async def add_many() -> None:
        for number in range(40):
            await bans.add("mallory", f"{number}" + "🦊" * 1000, 60, "")

    with pytest.raises(TooManyBansError):
        await add_many()
    assert await is_out(bans, "mallory", "0" + "🦊" * 1000)
    await bans.lift((await bans.list(""))[0][0].id)
    await bans.add("mallory", None, 60, "")


@pytest.mark.parametrize("ban_id", ["", "x", "0" * 32, f"{'0' * 32}-{'0' * 16}", "../../x"])
async def test_an_id_of_nothing(bans: Bans, ban_id: str) -> None:
    await bans.add("mallory", None, 60, "")
    for call in (bans.find, bans.lift):
        with pytest.raises(NotFoundError):
            await call(ban_id)


async def test_a_lifted_ban_leaves_the_others_of_the_user(bans: Bans) -> None:
    lobby, _ = await bans.add("mallory", "lobby", 60, "")
    await bans.add("mallory", "attic", 60, "")
    assert await bans.lift(lobby.id) == lobby
    assert not await is_out(bans, "mallory", "lobby")
    assert await is_out(bans, "mallory", "attic")


# --- no store ------------------------------------------------------------------------------


async def test_without_a_store_nobody_is_out_and_nothing_can_be_added() -> None:
    bans = Bans(None, SETTINGS)
    assert not bans.are_on
    assert not await is_out(bans, "mallory", "lobby")
    some_id = f"{'0' * 32}-{'0' * 16}"
    for calling in (
        bans.add("mallory", None, 60, ""),
        bans.list(""),
        bans.find(some_id),
        bans.lift(some_id),
    ):
        with pytest.raises(BansOffError, match="USHER_BANS"):
            await calling


@pytest.mark.parametrize("admits", [False, True])
async def test_a_store_that_does_not_answer(admits: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Users are refused, or admitted with a record. A removal is an error in both cases."""
    store = MemoryStore(random.Random(1))  # noqa: S311
    settings: Settings = make_settings(admits_without_store=admits)
    bans = Bans(store, settings)
    store.is_down = True
    with caplog.at_level("ERROR", "usher"):
        if admits:
            await bans.check("mallory", ["lobby"])
            assert "bans-down" in caplog.text
        else:
            with pytest.raises(StoreError):
                await bans.check("mallory", ["lobby"])
    with pytest.raises(StoreError):
        await bans.add("mallory", None, 60, "")
