"""The store in a SQLite file, for one machine. Several processes may use one file."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from usher.errors import StoreError
from usher.store.entries import CALL_SECONDS, Entry

SCHEMA = """CREATE TABLE IF NOT EXISTS entries
    (key TEXT PRIMARY KEY, value TEXT NOT NULL, until INTEGER NOT NULL, version INTEGER NOT NULL)
    STRICT, WITHOUT ROWID"""
COLUMNS = "SELECT key, value, until, version FROM entries"
type Row = tuple[str, str, int, int]

KEEP_SECONDS = 24 * 3600  # after the end of an entry


class SqliteStore:
    """Entries in a file, which is made at the first call."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._is_made = False

    async def find(self, key: str) -> tuple[Entry | None, float]:
        """Return the entry or None, and the time of this machine. Raises StoreError."""
        rows = await asyncio.to_thread(self._read, f"{COLUMNS} WHERE key = ?", (key,))
        return (_entry(rows[0]) if rows else None), time.time()

    async def put(self, entry: Entry) -> bool:
        """Store the entry if its version is still the stored one. Raises StoreError."""
        return await asyncio.to_thread(self._write, entry)

    async def list(self, prefix: str, after: str, limit: int) -> tuple[Sequence[Entry], float]:
        """Return entries in the order of their keys, and the time. Raises StoreError."""
        query = f"{COLUMNS} WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"
        rows = await asyncio.to_thread(self._read, query, (after, prefix, f"{prefix}\uffff", limit))
        return [_entry(row) for row in rows], time.time()

    def _read(self, query: str, values: tuple[Any, ...]) -> Sequence[Row]:
        with self._open() as database:
            return database.execute(query, values).fetchall()

    def _write(self, entry: Entry) -> bool:
        row = (json.dumps(entry.value), entry.until)
        with self._open() as database, database:
            database.execute("DELETE FROM entries WHERE until < ?", (time.time() - KEEP_SECONDS,))
            if entry.version is None:
                query = (
                    "INSERT OR IGNORE INTO entries (value, until, key, version) VALUES (?, ?, ?, 1)"
                )
                done = database.execute(query, (*row, entry.key))
            else:
                query = """UPDATE entries SET value = ?, until = ?, version = version + 1
                    WHERE key = ? AND version = ?"""
                done = database.execute(query, (*row, entry.key, int(entry.version)))
            return done.rowcount == 1

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one call: threads cannot share a connection."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._file, timeout=CALL_SECONDS)) as database:
                if not self._is_made:
                    database.execute("PRAGMA journal_mode = WAL")  # readers do not wait for writers
                    database.execute(SCHEMA)
                    self._is_made = True
                yield database
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"SQLite: {type(error).__name__}: {error}") from error


def _entry(row: Row) -> Entry:
    key, value, until, version = row
    return Entry(key, json.loads(value), until, str(version))
