"""`Idempotency-Key`: the first call with a key, and what the calls that repeat it find.

Internet draft draft-ietf-httpapi-idempotency-key-header-07. A store keeps the outcome of a call,
not its token.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from usher.errors import BadRequestError, KeyInUseError, KeyReusedError, StoreError
from usher.groups.provision_request import ProvisionRequest
from usher.store.entries import Entry

HEADER, SCOPE_HEADER = "Idempotency-Key", "Idempotency-Scope"
# The draft has a text in double quotes; many clients send a bare UUID. Both are taken as they are.
KEY = re.compile(r" *([!-~]{1,255}) *")
KEEP_SECONDS = 600  # after the end of the first call
# After this time a call without an outcome is dead: its instance has stopped. Longer than
# EVENT_SECONDS and the calls of the store together.
RUN_SECONDS = 30
MOST_CALLS = 100  # of one entry; the oldest is forgotten first
WRITES = 5  # attempts, if other calls change the same entry

type Call = dict[str, Any]  # its name, fingerprint, until and outcome; None while it runs


class EntryStore(Protocol):
    """What is needed of a store. See usher.store.entries."""

    async def find(self, key: str) -> tuple[Entry | None, float]:
        """Return the entry or None, and the store's time."""

    async def put(self, entry: Entry) -> bool:
        """Store the entry if it was not changed; return whether it was stored."""


def read_key(headers: Mapping[str, str]) -> str | None:
    """Return the key of a request, None without one. Raises BadRequestError."""
    text = headers.get(HEADER)
    if text is None:
        return None
    if match := KEY.fullmatch(text):
        return match[1]
    raise BadRequestError(
        f"{HEADER} must be a text of 1 to 255 visible ASCII characters.",
        field=HEADER,
    )


class Calls:
    """The calls with a key, for a hub. They share 256 entries, because no store deletes entries.

    `scope` says who knows them: all instances of the app, or this instance.
    """

    def __init__(self, store: EntryStore, scope: str, hub: str) -> None:
        self._store, self.scope = store, scope
        self._prefix = f"call-{hub.lower()}-"

    async def begin(self, key: str, request: ProvisionRequest) -> Mapping[str, Any] | None:
        """Return the outcome of the first call with the key, or None if this is the first one.

        Raises KeyReusedError if the first call asked for something else, KeyInUseError if it has
        not ended, StoreError.
        """
        found: list[Call] = []
        name, fingerprint = _digest(key), _digest(json.dumps(asdict(request)))

        def change(calls: list[Call], now: float) -> list[Call]:
            found[:] = [call for call in calls if call["name"] == name]
            until = int(now) + RUN_SECONDS
            new = {"name": name, "fingerprint": fingerprint, "until": until, "outcome": None}
            return calls if found else [*calls, new]

        await self._change(name, change)
        if not found:
            return None
        if found[0]["fingerprint"] != fingerprint:
            raise KeyReusedError(HEADER)
        if found[0]["outcome"] is None:
            raise KeyInUseError(HEADER)
        return dict(found[0]["outcome"])

    async def end(self, key: str, outcome: Mapping[str, Any] | None) -> None:
        """Keep the outcome of the first call; with None, the next call is a first one.

        Raises StoreError.
        """
        name = _digest(key)

        def change(calls: list[Call], now: float) -> list[Call]:
            others = [call for call in calls if call["name"] != name]
            ended = [call for call in calls if call["name"] == name and outcome is not None]
            end = {"until": int(now) + KEEP_SECONDS, "outcome": outcome}
            return [*others, *(call | end for call in ended)]

        await self._change(name, change)

    async def _change(self, name: str, change: Callable[[list[Call], float], list[Call]]) -> None:
        """Change the calls of an entry although another instance may change them, too."""
        key = self._prefix + name[:2]
        for _ in range(WRITES):
            entry, now = await self._store.find(key)
            stored: list[Call] = entry.value["calls"] if entry else []
            calls = [call for call in stored if call["until"] > now]
            changed = change(calls, now)[-MOST_CALLS:]
            if changed == calls:
                return
            until = max((call["until"] for call in changed), default=0)
            if await self._store.put(
                Entry(key, {"calls": changed}, until, entry and entry.version)
            ):
                return
        raise StoreError(f"other writers changed the entry {WRITES} times")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
