"""The floor for calls to the service: aiohttp alone, with a ready-made token.

`python -m benchmarks.raw ENDPOINT` takes the same commands as worker.py.
"""

import asyncio
import sys
from dataclasses import asdict

from aiohttp import ClientSession

from benchmarks.inputs import own_group
from benchmarks.loads import run_load
from localdev.child_commands import obey

HEADERS = {"Authorization": "Bearer ready-made"}
VERSION = "api-version=2024-12-01"
PRESENCE = (
    '{"type":"presence","group":"user-user-1","asOf":"2026-11-26T12:30:07Z","users":{"user-1":1},'
    '"gone":[],"count":1,"checksum":"5f0c12ab","truncated":false,"snapshot":true}'
)


class Raw:
    """A session. Its public methods are the commands."""

    def __init__(self, session: ClientSession, endpoint: str) -> None:
        self._session = session
        self._hub = f"{endpoint}/api/hubs/chat"

    async def negotiate(self, count: int, in_flight: int) -> dict[str, float]:
        """Request `count` client tokens from the service."""

        async def request_token(number: int) -> None:
            query = f"userId=user-{number}&group=lobby&role=webpubsub.sendToGroup.lobby"
            await self._call("POST", f"/:generateToken?{VERSION}&minutesToExpire=60&{query}", 200)

        return asdict(await run_load(request_token, count, in_flight))

    async def connected(
        self, count: int, in_flight: int, is_alone: bool = False
    ) -> dict[str, float]:
        """Add a connection and send a text, `count` times, always to the same group."""

        async def add_and_announce(number: int) -> None:
            path = f"/groups/lobby/connections/connection-{number}?{VERSION}"
            await self._call("PUT", path, 200)
            text = f"user-{number} joined lobby".encode()
            await self._call("POST", f"/groups/lobby/:send?{VERSION}", 202, text)

        return asdict(await run_load(add_and_announce, count, in_flight))

    async def present(self, count: int, in_flight: int) -> dict[str, float]:
        """Add a connection, list its group, and send a message to it and to the group."""

        async def enter(number: int) -> None:
            group, connection = f"/groups/{own_group(number)}", f"/connections/{number:032x}"
            message = PRESENCE.encode()
            await self._call("PUT", f"{group}{connection}?{VERSION}", 200)
            await self._call("GET", f"{group}/connections?{VERSION}", 200)
            await self._call("POST", f"{connection}/:send?{VERSION}", 202, message)
            await self._call("POST", f"{group}/:send?{VERSION}", 202, message)

        return asdict(await run_load(enter, count, in_flight))

    async def _call(self, method: str, path: str, status: int, text: bytes | None = None) -> None:
        headers = {**HEADERS, "Content-Type": "text/plain"} if text else HEADERS
        url = self._hub + path
        async with self._session.request(method, url, data=text, headers=headers) as response:
            await response.read()
            if response.status != status:
                raise RuntimeError(f"{method} {path}: {response.status}")


async def main() -> None:
    """Take commands until stdin ends."""
    async with ClientSession() as session:
        await obey(Raw(session, sys.argv[1]))


if __name__ == "__main__":
    asyncio.run(main())
