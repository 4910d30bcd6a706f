"""The store in Azure Table storage. Only this module knows the SDK of tables and its errors."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from usher.errors import StoreError
from usher.settings import StoreSettings
from usher.store.entries import CALL_SECONDS, Entry

TABLE = "usher"  # infra/app/storage.bicep creates it
ROW = "entry"  # each entry is the only row of its partition, so a read is a point read
# Quick retries within CALL_SECONDS. By default the SDK would wait for minutes.
OPTIONS: dict[str, Any] = {
    "connection_timeout": 1,
    "read_timeout": 1,
    "retry_total": 2,
    "retry_backoff_factor": 0.1,
    "use_env_settings": False,
}
ABSENT = "ResourceNotFound"  # the code for a missing row; a missing table has another one


class TableStore:
    """Entries in a table. One per process, because it keeps its connections open."""

    def __init__(self, settings: StoreSettings) -> None:
        self._client: Any = _build_client(settings)  # the SDK annotates too narrow types

    async def find(self, key: str) -> tuple[Entry | None, float]:
        """Return the entry or None, and the time of the service. Raises StoreError."""
        clock = _Clock()
        async with _limited():
            try:
                row = await self._client.get_entity(key, ROW, raw_response_hook=clock.read)
            except ResourceNotFoundError as error:
                _check_absent(error)
                return None, clock.now
        return _entry(row), clock.now

    async def put(self, entry: Entry) -> bool:
        """Store the entry if its version is still the stored one. Raises StoreError."""
        row = {
            "PartitionKey": entry.key,
            "RowKey": ROW,
            "value": json.dumps(entry.value, ensure_ascii=False),
            "until": entry.until,
        }
        async with _limited():
            try:
                await self._write(row, entry.version)
            except (ResourceExistsError, ResourceModifiedError):
                return False
            except ResourceNotFoundError as error:
                _check_absent(error)
                return False
        return True

    async def list(self, prefix: str, after: str, limit: int) -> tuple[Sequence[Entry], float]:
        """Return entries in the order of their keys, and the time. Raises StoreError."""
        clock = _Clock()
        wanted = "PartitionKey gt @after and PartitionKey ge @first and PartitionKey lt @end"
        asked = self._client.query_entities(
            wanted,
            parameters={"after": after, "first": prefix, "end": f"{prefix}~"},
            results_per_page=limit,
            raw_response_hook=clock.read,
        )
        entries: list[Entry] = []
        async with _limited():
            async for row in asked:
                entries.append(_entry(row))
                if len(entries) == limit:
                    break
        return entries, clock.now

    async def close(self) -> None:
        """Close the connections to the service."""
        await self._client.close()

    async def _write(self, row: dict[str, Any], version: str | None) -> None:
        if version is None:
            await self._client.create_entity(row)
        else:
            is_same = {"etag": version, "match_condition": MatchConditions.IfNotModified}
            await self._client.update_entity(row, mode=UpdateMode.REPLACE, **is_same)


class _Clock:
    """The time of the service, from the header `Date` of its answer (RFC 9110, section 6.6.1)."""

    def __init__(self) -> None:
        self.now = time.time()

    def read(self, response: Any) -> None:
        if date := response.http_response.headers.get("Date"):
            self.now = parsedate_to_datetime(date).timestamp()


def _build_client(settings: StoreSettings) -> TableClient:
    if settings.connection_string:
        text = settings.connection_string
        return TableClient.from_connection_string(text, table_name=TABLE, **OPTIONS)
    # Imported here: it loads msal and requests.
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

    credential = (
        ManagedIdentityCredential(client_id=settings.client_id)
        if settings.managed_identity
        else DefaultAzureCredential()
    )
    return TableClient(settings.table_uri, TABLE, credential=credential, **OPTIONS)


@asynccontextmanager
async def _limited() -> AsyncIterator[None]:
    """Raise StoreError instead of the SDK's errors, and after CALL_SECONDS."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except TimeoutError:
        raise StoreError(f"the table did not answer within {CALL_SECONDS:g} s") from None
    except HttpResponseError as error:
        code = getattr(getattr(error, "error_code", None), "value", type(error).__name__)
        raise StoreError(f"the table answered {error.status_code} ({code})") from error
    except (AzureError, ValueError) as error:
        raise StoreError(f"the table: {type(error).__name__}") from error


def _check_absent(error: ResourceNotFoundError) -> None:
    """Raise the error again unless only the row is missing: no table means no answer."""
    if getattr(error, "error_code", None) != ABSENT:
        raise error


def _entry(row: Any) -> Entry:
    return Entry(row["PartitionKey"], json.loads(row["value"]), row["until"], row.metadata["etag"])
