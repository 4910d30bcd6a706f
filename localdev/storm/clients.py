"""The clients of a storm, in a process of their own. storm.py gives the commands.

Each does what a page does: it negotiates, opens its WebSocket and listens. None tries again, so
that every failure is seen.
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

from localdev.commands import obey
from localdev.light_client import LightClient, upgrade_request
from localdev.storm.ears import Ear, Hall
from localdev.storm.outcome import percentiles

SUBPROTOCOL = "json.webpubsub.azure.v1"
STEP_SECONDS = 60.0


class Guest(LightClient):
    """A client that listens."""

    def __init__(self, url: str, ear: Ear) -> None:
        super().__init__(upgrade_request(url, SUBPROTOCOL))
        self.ear = ear
        self.opened_at = 0.0
        self.is_welcomed = asyncio.Event()
        self.has_heard_all = asyncio.Event()

    def has_opened(self) -> None:
        """Note when."""
        self.opened_at = time.monotonic()

    def hear(self, payload: bytes) -> None:
        """The first frame tells the connection's id."""
        self.ear.hear(payload, time.monotonic())
        self.is_welcomed.set()
        if self.ear.heard_end:
            self.has_heard_all.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self.is_welcomed.set()
        self.has_heard_all.set()


@dataclass
class Crowd:
    """All clients. The public methods are the commands."""

    hall: Hall = field(default_factory=Hall)
    guests: list[Guest] = field(default_factory=list)
    first: Guest | None = None
    failures: Counter[str] = field(default_factory=Counter)
    negotiating: list[float] = field(default_factory=list)
    opening: list[float] = field(default_factory=list)
    started_at: float = 0.0

    async def enter_one(self, host: str, group: str) -> list[str]:
        """The first comes alone; its connection's id, if it is in."""
        async with _open_session() as session:
            await self._enter(session, host, {"userId": "u1", "group": group})
        self.first = self.guests[0] if self.guests else None
        return [guest.ear.connection_id for guest in self.guests]

    async def enter_others(self, host: str, group: str, last: int, rate: float) -> list[str]:
        """So many a second, whatever becomes of those before; the ids of all who are in."""
        self.started_at = time.monotonic()
        async with _open_session() as session, asyncio.TaskGroup() as tasks:
            for number in range(2, last + 1):
                due = self.started_at + (number - 2) / rate
                await asyncio.sleep(due - time.monotonic())
                query = {"userId": f"u{number}", "group": group}
                tasks.create_task(self._enter(session, host, query))
        return [guest.ear.connection_id for guest in self.guests]

    async def _enter(
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
        guest, address = Guest(url, Ear(self.hall)), urlsplit(url)
        place = (address.hostname or "", address.port or 80)
        await asyncio.get_running_loop().create_connection(lambda: guest, *place)
        await guest.opened
        self.opening.append(guest.opened_at - begun)
        await guest.is_welcomed.wait()
        if not guest.ear.connection_id:
            raise ConnectionError("closed before its first frame")
        self.guests.append(guest)

    async def finish(self) -> dict[str, Any]:
        """What became of all, once they have heard the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STEP_SECONDS):
                await asyncio.gather(*(guest.has_heard_all.wait() for guest in self.guests))
        deaf = sum(not guest.has_heard_all.is_set() for guest in self.guests)
        gone = [guest for guest in self.guests if guest.is_gone]
        self.failures.update(f"closed after opening ({guest.close_code})" for guest in gone)
        self.failures.update(["did not hear the end"] * deaf)
        announcements = self.hall.announcements.values()
        arrivals = [moment for each in announcements for moment in each.arrivals]
        ears = [guest.ear for guest in self.guests]
        return {
            "started_at": self.started_at,
            "negotiating": percentiles(self.negotiating),
            "opening": percentiles(self.opening),
            "opened_at": {guest.ear.connection_id: guest.opened_at for guest in self.guests},
            "gone": [guest.ear.connection_id for guest in gone],
            "failures": self.failures,
            "deliveries": len(arrivals),
            "last_arrival": max(arrivals, default=self.started_at),
            "spread": percentiles(
                moment - each.arrivals[0] for each in announcements for moment in each.arrivals
            ),
            "doubles": sum(ear.doubles for ear in ears),
            "repeated": sum(ear.repeated for ear in ears),
            # Of all that happens only where it came before the others and is still there.
            "first_heard": self.first.ear.shown if self.first and not self.first.is_gone else None,
        }


def _open_session() -> aiohttp.ClientSession:
    # As from as many machines: no connection is used twice, and none waits for another.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))


if __name__ == "__main__":
    asyncio.run(obey(Crowd()))
