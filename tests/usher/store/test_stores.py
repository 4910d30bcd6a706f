"""What every store does: the SQLite file, and the table in Azurite."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from tests.usher.store.azurite import azurite
from usher.errors import StoreError
from usher.settings import StoreSettings
from usher.store.entries import Entry, Store
from usher.store.sqlite import SqliteStore
from usher.store.table import TableStore

__all__ = ["azurite"]  # pytest finds it here

LATER = int(time.time()) + 3600
PREFIXES = count()


@pytest_asyncio.fixture(params=["sqlite", "table"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "sqlite":
        yield SqliteStore(tmp_path / "folder" / "bans.sqlite")
        return
    text = request.getfixturevalue("azurite")
    table = TableStore(StoreSettings("table", connection_string=text))
    yield table
    await table.close()


@pytest.fixture
def prefix() -> str:
    """Return a prefix that no other test uses: Azurite keeps what the others stored."""
    return f"ban-hub{next(PREFIXES)}-"


async def test_an_entry_is_found_as_it_was_stored(store: Store, prefix: str) -> None:
    """The store also says what time it is."""
    key = f"{prefix}1"
    before = time.time()
    assert (await store.find(key))[0] is None
    value = {"name": "zoë 🦊 'quoted' \"twice\" \\", "list": [1, None, True]}
    assert await store.put(Entry(key, value, LATER))
    found, now = await store.find(key)
    assert found
    assert (found.key, found.value, found.until) == (key, value, LATER)
    assert before - 1 <= now <= time.time()  # the service has whole seconds


async def test_only_one_of_two_writers_wins(store: Store, prefix: str) -> None:
    key = f"{prefix}1"
    new = Entry(key, {"n": 1}, LATER)
    assert sorted(await asyncio.gather(*(store.put(new) for _ in range(5)))) == [False] * 4 + [True]
    first, _ = await store.find(key)
    assert first
    assert await store.put(first._replace(value={"n": 2}))
    assert not await store.put(first._replace(value={"n": 3}))
    second, _ = await store.find(key)
    assert second
    assert second.value == {"n": 2}


async def test_an_entry_that_is_no_longer_there(store: Store, prefix: str) -> None:
    """A version that was never stored is refused, too."""
    entry = Entry(f"{prefix}1", {}, LATER)
    await store.put(entry)
    stored, _ = await store.find(entry.key)
    assert stored
    assert not await store.put(stored._replace(key=f"{prefix}2"))


async def test_a_list_has_pages_in_the_order_of_the_keys(store: Store, prefix: str) -> None:
    keys = [f"{prefix}{number}" for number in range(5)]
    for key in reversed(keys):
        await store.put(Entry(key, {}, LATER))
    await store.put(Entry(f"{prefix.removesuffix('-')}x-1", {}, LATER))  # of another hub
    first, now = await store.list(prefix, "", 3)
    assert [entry.key for entry in first] == keys[:3]
    assert abs(now - time.time()) < 60
    rest, _ = await store.list(prefix, keys[2], 3)
    assert [entry.key for entry in rest] == keys[3:]


# --- SQLite --------------------------------------------------------------------------------


async def test_two_instances_see_the_same_file(tmp_path: Path) -> None:
    """Both open a file that does not exist yet."""
    one, other = (SqliteStore(tmp_path / "bans.sqlite") for _ in range(2))
    stored = await asyncio.gather(
        *(
            store.put(Entry(f"ban-chat-{number}", {}, LATER))
            for number in range(20)
            for store in (one, other)
        )
    )
    assert sum(stored) == 20
    assert len((await other.list("ban-", "", 100))[0]) == 20
    with closing(sqlite3.connect(tmp_path / "bans.sqlite")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_old_entries_are_deleted(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bans.sqlite")
    await store.put(Entry("ban-chat-1", {}, int(time.time()) - 90_000))
    await store.put(Entry("ban-chat-2", {}, int(time.time()) - 80_000))
    await store.put(Entry("ban-chat-3", {}, LATER))
    assert [one.key for one in (await store.list("ban-", "", 9))[0]] == ["ban-chat-2", "ban-chat-3"]


def a_folder(tmp_path: Path) -> Path:
    return tmp_path


def no_database(tmp_path: Path) -> Path:
    (tmp_path / "bans.sqlite").write_text("this is a text and no database" * 100)
    return tmp_path / "bans.sqlite"


def below_a_file(tmp_path: Path) -> Path:
    return no_database(tmp_path) / "bans.sqlite"


@pytest.mark.parametrize("make", [a_folder, no_database, below_a_file])
async def test_a_file_that_cannot_be_used(make: Callable[[Path], Path], tmp_path: Path) -> None:
    store = SqliteStore(make(tmp_path))
    with pytest.raises(StoreError, match="SQLite: "):
        await store.find("ban-chat-1")
    with pytest.raises(StoreError):
        await store.put(Entry("ban-chat-1", {}, LATER))
