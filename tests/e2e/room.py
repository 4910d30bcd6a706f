"""A room in a stack with a control endpoint, as tests of faults see it from both ends."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from azure.messaging.webpubsubclient.models import WebPubSubProtocolType
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from tests.e2e.clients import SECONDS, User, enter, new_room
from tests.e2e.processes import Running

THE_END = "the end"


async def until[T](look: Callable[[], Awaitable[T]]) -> T:
    """What it finds, which must be soon."""
    for _ in range(SECONDS * 50):
        if found := await look():
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("nothing found")


@dataclass
class Room:
    """A group that no other test uses, and those who came: `ids` are their connections."""

    stack: Running
    session: aiohttp.ClientSession
    name: str = field(default_factory=new_room)
    users: dict[str, User] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    _leave: dict[str, AsyncExitStack] = field(default_factory=dict)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the control endpoint, which must be a success."""
        url = self.stack.facts["control"] + path
        async with self.session.request(method, url, json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.status == 200 else None

    async def switch(self, *faults: str, seed: int = 0) -> None:
        """These faults and no others from now on."""
        await self.control("PUT", "/faults", {"seed": seed, "faults": faults})

    async def happened(self) -> list[int]:
        """How often each of the faults of now happened."""
        return [one["happened"] for one in (await self.control("GET", "/faults"))["faults"]]

    async def enter(
        self, *users: str, protocol: WebPubSubProtocolType = WebPubSubProtocolType.JSON
    ) -> None:
        """Each comes when the app is done with the one before, well or not."""
        for user in users:
            await self.come(user, protocol)
            await self.settled(user, "connected")

    async def come(
        self, user: str, protocol: WebPubSubProtocolType = WebPubSubProtocolType.JSON
    ) -> None:
        """One comes in; the app may not have heard of it yet."""
        self._leave[user] = AsyncExitStack()
        client = enter(self.stack.facts["host"], protocol, userId=user, group=self.name)
        self.users[user] = await self._leave[user].enter_async_context(client)
        self.ids[user] = (await self.connections())[user]

    async def go(self, user: str) -> None:
        """One leaves."""
        await self._leave.pop(user).aclose()

    async def close(self) -> None:
        """All leave, undisturbed."""
        await self.control("DELETE", "/faults")
        leaving = tuple(self._leave)
        await asyncio.gather(*(self.go(user) for user in leaving))
        # Or the app might tell of it under the faults of the next room.
        for user in leaving:
            await self.settled(user, "disconnected")

    async def connections(self) -> dict[str, str]:
        """The connection of each who is in the group, by the emulator's word."""
        hubs = (await self.control("GET", "/state"))["hubs"]
        members = hubs["chat"]["groups"].get(self.name, [])
        everybody = hubs["chat"]["connections"]
        return {one["userId"]: one["id"] for one in everybody if one["id"] in members}

    async def settled(self, user: str, name: str) -> dict[str, Any]:
        """The event of the user's connection, once its delivery is over, well or not."""

        async def look() -> Any:
            events = (await self.control("GET", "/state"))["events"]
            wanted = {"connection": self.ids[user], "name": name}
            return next((one for one in events if one.items() >= wanted.items()), None)

        found: dict[str, Any] = await until(look)
        return found

    async def calls(self, method: str, user: str = "") -> list[int]:
        """The statuses of the calls so far: PUT adds a user, POST sends to the room."""
        calls = (await self.control("GET", "/state"))["calls"]
        part = f"/groups/{self.name}/" + (f"connections/{self.ids[user]}" if user else "")
        return [one["status"] for one in calls if one["method"] == method and part in one["path"]]

    async def heard(self, user: str = "ana") -> list[str]:
        """What the user heard since the last time, in order, without the room's name."""
        await self.control("DELETE", "/faults")
        async with WebPubSubServiceClient.from_connection_string(
            self.stack.facts["connectionString"], self.stack.facts["hub"]
        ) as service:
            await service.send_to_group(self.name, THE_END, content_type="text/plain")
        texts = []
        while (text := await self.users[user].hear()) != THE_END:
            texts.append(text.removesuffix(f" {self.name}"))
        return texts

    def openings(self, user: str) -> int:
        """How many sockets the user's connection has had, by the emulator's log."""
        return self.stack.log().count(f"client opened: hub=chat connection={self.ids[user]} ")

    def record(self, user: str, kind: str = "join") -> dict[str, Any]:
        """The app's record of the user's join or leave."""
        return self.stack.wait_for_record(record=kind, connectionId=self.ids[user], group=self.name)
