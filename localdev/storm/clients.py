"""The process of a storm's clients. The parent (run.py) sends the commands.

Each client acts like a page: it negotiates, opens its WebSocket and receives messages. No client
retries, so that every failure is counted.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from localdev.child_commands import obey
from localdev.light_client import LightClient, upgrade_request
from localdev.presence import present_users
from localdev.storm.messages import AnnouncementLog, Inbox
from localdev.storm.outcome import percentiles, write_users

SUBPROTOCOL = "json.webpubsub.azure.v1"
STEP_SECONDS = 60.0


class StormClient(LightClient):
    """A client that keeps an inbox of the group's messages."""

    def __init__(self, url: str, inbox: Inbox) -> None:
        super().__init__(upgrade_request(url, SUBPROTOCOL))
        self.inbox = inbox
        self.opened_at = 0.0
        # Both events are also set when the connection ends.
        self.received_first = asyncio.Event()
        self.received_all = asyncio.Event()

    def has_opened(self) -> None:
        self.opened_at = time.monotonic()

    def hear(self, payload: bytes) -> None:
        """Add the frame to the inbox. The first frame names the connection."""
        self.inbox.receive(payload, time.monotonic())
        self.received_first.set()
        if self.inbox.received_end:
            self.received_all.set()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.received_first.set()
        self.received_all.set()


@dataclass(slots=True)
class StormClients:
    """All clients of a storm. The public methods are the commands."""

    log: AnnouncementLog = field(default_factory=AnnouncementLog)
    clients: list[StormClient] = field(default_factory=list)
    first: StormClient | None = None
    failures: Counter[str] = field(default_factory=Counter)
    negotiating: list[float] = field(default_factory=list)
    opening: list[float] = field(default_factory=list)
    started_at: float = 0.0

    async def connect_first(self, host: str, group: str) -> list[str]:
        """Connect one client alone; return its connection id, or nothing if it failed."""
        async with _open_session() as session:
            await self._connect(session, host, {"userId": "u1", "group": group})
        self.first = self.clients[0] if self.clients else None
        return self._connection_ids()

    async def connect_others(
        self, host: str, group: str, last: int, users: int, rate: float
    ) -> list[str]:
        """Connect clients 2 to `last`, `rate` per second; return the ids of all connections.

        They are tabs of `users` users. A client does not wait for the clients before it.
        """
        self.started_at = time.monotonic()
        async with _open_session() as session, asyncio.TaskGroup() as tasks:
            for number in range(2, last + 1):
                due = self.started_at + (number - 2) / rate
                await asyncio.sleep(due - time.monotonic())
                query = {"userId": f"u{(number - 1) % users + 1}", "group": group}
                tasks.create_task(self._connect(session, host, query))
        return self._connection_ids()

    async def finish(self) -> dict[str, Any]:
        """Wait until every client has received the last message; return what they received."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STEP_SECONDS):
                await asyncio.gather(*(client.received_all.wait() for client in self.clients))
        self._count_late_failures()
        inboxes = [client.inbox for client in self.clients]
        return {
            "started_at": self.started_at,
            "negotiating": percentiles(self.negotiating),
            "opening": percentiles(self.opening),
            "opened_at": {each.inbox.connection_id: each.opened_at for each in self.clients},
            "closed": [each.inbox.connection_id for each in self.clients if each.is_gone],
            "failures": self.failures,
            **self._deliveries(),
            "duplicates": sum(inbox.duplicates for inbox in inboxes),
            "repeated": sum(inbox.repeated for inbox in inboxes),
            "first_received": self._first_received(),
            "presence": self._count_presence(),
        }

    def _connection_ids(self) -> list[str]:
        return [client.inbox.connection_id for client in self.clients]

    async def _connect(
        self, session: aiohttp.ClientSession, host: str, query: Mapping[str, str]
    ) -> None:
        try:
            async with asyncio.timeout(STEP_SECONDS):
                url = await self._negotiate(session, host, query)
            async with asyncio.timeout(STEP_SECONDS):
                await self._open(url)
        except TimeoutError:
            self.failures[f"no answer within {STEP_SECONDS:g} s"] += 1
        except (OSError, aiohttp.ClientError) as error:
            self.failures[f"{type(error).__name__}: {error}"] += 1

    async def _negotiate(
        self, session: aiohttp.ClientSession, host: str, query: Mapping[str, str]
    ) -> str:
        begun = time.monotonic()
        async with session.get(f"{host}/api/negotiate", params=query) as answer:
            if answer.status != 200:
                raise ConnectionError(f"negotiate {answer.status}")
            url = str((await answer.json())["url"])
        self.negotiating.append(time.monotonic() - begun)
        return url

    async def _open(self, url: str) -> None:
        begun = time.monotonic()
        client, address = StormClient(url, Inbox(self.log)), urlsplit(url)
        place = (address.hostname or "", address.port or 80)
        await asyncio.get_running_loop().create_connection(lambda: client, *place)
        await client.opened
        self.opening.append(client.opened_at - begun)
        await client.received_first.wait()
        if not client.inbox.connection_id:
            raise ConnectionError("closed before its first frame")
        self.clients.append(client)

    def _count_late_failures(self) -> None:
        for client in self.clients:
            if client.is_gone:
                self.failures[f"closed after opening ({client.close_code})"] += 1
            if not client.received_all.is_set():
                self.failures["did not receive the last message"] += 1

    def _deliveries(self) -> dict[str, Any]:
        announcements = self.log.announcements.values()
        arrivals = [moment for each in announcements for moment in each.arrivals]
        spread = [moment - each.arrivals[0] for each in announcements for moment in each.arrivals]
        return {
            "deliveries": len(arrivals),
            "last_arrival": max(arrivals, default=self.started_at),
            "spread": percentiles(spread),
        }

    def _first_received(self) -> int | None:
        """Return how many joins the first client shows, or None if it is no longer connected.

        Only this client was in the group before all others, so only it must receive every join.
        """
        if not self.first or self.first.is_gone:
            return None
        inbox = self.first.inbox
        return inbox.shown + sum(present_users(inbox.presence).values())

    def _count_presence(self) -> Counter[str]:
        """Return how many open clients show the same users, by these users in JSON."""
        inboxes = [client.inbox for client in self.clients if not client.is_gone]
        return Counter(write_users(present_users(inbox.presence)) for inbox in inboxes)


def _open_session() -> aiohttp.ClientSession:
    # One connection per request and no limit, as if each client ran on a machine of its own.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))


if __name__ == "__main__":
    asyncio.run(obey(StormClients()))
