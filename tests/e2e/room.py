"""One group of a stack with a control endpoint, with the clients of its members."""

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


async def wait_until[T](look: Callable[[], Awaitable[T]]) -> T:
    """Return the first true result of `look`. Raises AssertionError after `SECONDS`."""
    for _ in range(SECONDS * 50):
        if found := await look():
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("nothing found")


@dataclass(slots=True)
class Room:
    """A group that no other test uses. `users` are its clients, `ids` their connection ids."""

    stack: Running
    session: aiohttp.ClientSession
    name: str = field(default_factory=new_room)
    users: dict[str, User] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    _clients: dict[str, AsyncExitStack] = field(default_factory=dict)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control endpoint, which must succeed, and return its JSON."""
        url = self.stack.facts["control"] + path
        async with self.session.request(method, url, json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.status == 200 else None

    async def set_faults(self, *faults: str, seed: int = 0) -> None:
        """Replace all faults of the emulator by these."""
        await self.control("PUT", "/faults", {"seed": seed, "faults": faults})

    async def count_faults(self) -> list[int]:
        """Return how often each current fault has happened."""
        return [one["happened"] for one in (await self.control("GET", "/faults"))["faults"]]

    async def join(
        self, *users: str, protocol: WebPubSubProtocolType = WebPubSubProtocolType.JSON
    ) -> None:
        """Connect one user after the other, each after the event of the one before was handled."""
        for user in users:
            await self.connect(user, protocol)
            await self.wait_for_event(user, "connected")

    async def connect(
        self, user: str, protocol: WebPubSubProtocolType = WebPubSubProtocolType.JSON
    ) -> None:
        """Connect a user. The app may not have handled the event yet."""
        self._clients[user] = AsyncExitStack()
        client = enter(self.stack.facts["host"], protocol, userId=user, group=self.name)
        self.users[user] = await self._clients[user].enter_async_context(client)
        self.ids[user] = (await self.members())[user]

    async def leave(self, user: str) -> None:
        """Close the user's client."""
        await self._clients.pop(user).aclose()

    async def close(self) -> None:
        """Remove all faults and close all clients."""
        await self.control("DELETE", "/faults")
        leaving = tuple(self._clients)
        await asyncio.gather(*(self.leave(user) for user in leaving))
        # Otherwise the faults of the next test could affect these leaves.
        for user in leaving:
            await self.wait_for_event(user, "disconnected")

    async def members(self) -> dict[str, str]:
        """Return the connection id of each user in the group, as the emulator reports them."""
        hubs = (await self.control("GET", "/state"))["hubs"]
        members = hubs["chat"]["groups"].get(self.name, [])
        connections = hubs["chat"]["connections"]
        return {one["userId"]: one["id"] for one in connections if one["id"] in members}

    async def note_ids(self) -> None:
        """Take the connection ids of members that were not connected by this object."""
        self.ids |= await self.members()

    async def wait_for_event(self, user: str, name: str) -> dict[str, Any]:
        """Return the event of the user's connection once its delivery has ended or failed."""

        async def look() -> Any:
            events = (await self.control("GET", "/state"))["events"]
            expected = {"connection": self.ids[user], "name": name}
            return next((one for one in events if one.items() >= expected.items()), None)

        found: dict[str, Any] = await wait_until(look)
        return found

    async def call_statuses(self, method: str, user: str = "") -> list[int]:
        """Return the statuses of the app's REST calls: PUT adds a user, POST sends a message."""
        calls = (await self.control("GET", "/state"))["calls"]
        part = f"/groups/{self.name}/" + (f"connections/{self.ids[user]}" if user else "")
        return [one["status"] for one in calls if one["method"] == method and part in one["path"]]

    async def read_texts(self, user: str = "ana") -> list[str]:
        """Return the user's unread texts in order, without the room's name. Removes all faults."""
        await self.control("DELETE", "/faults")
        async with WebPubSubServiceClient.from_connection_string(
            self.stack.facts["connectionString"], self.stack.facts["hub"]
        ) as service:
            await service.send_to_group(self.name, THE_END, content_type="text/plain")
        texts = []
        while (text := await self.users[user].hear()) != THE_END:
            texts.append(text.removesuffix(f" {self.name}"))
        return texts

    def count_sockets(self, user: str) -> int:
        """Return how many sockets the user's connection has had, by the emulator's log."""
        return self.stack.log().count(f"client opened: hub=chat connection={self.ids[user]} ")

    def record(self, user: str, kind: str = "join") -> dict[str, Any]:
        """Wait for the app's log record of the user's join or leave, and return it."""
        return self.stack.wait_for_record(record=kind, connectionId=self.ids[user], group=self.name)
