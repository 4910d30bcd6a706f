"""A client as a browser has one: a WebSocket of the JSON subprotocol. Nothing is sent by it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

import aiohttp

from localdev.doctor.calls import UnreachableError, describe_failure
from localdev.doctor.service import SUBPROTOCOL

OPEN_SECONDS = 45.0


class RefusedError(Exception):
    """The service answered the handshake with another status than 101."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the handshake was answered {status}")
        self.status = status


class Client:
    """An open connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, connection_id: str) -> None:
        self.connection_id = connection_id
        self._socket = socket
        self._heard: asyncio.Queue[str] = asyncio.Queue()
        self.others = 0
        """What was heard of somebody else while something was waited for."""

    async def listen(self) -> None:
        """Keeps what the groups are told, until the connection ends."""
        async for message in self._socket:
            frame = _read_frame(message)
            # Whoever sends by REST, as the app does, has no user id there.
            if frame.get("type") == "message" and not frame.get("fromUserId"):
                self._heard.put_nowait(json.dumps(frame.get("data"), ensure_ascii=False))

    async def close(self) -> None:
        """Says goodbye."""
        await self._socket.close()

    async def hear(self, word: str, seconds: float) -> float | None:
        """How many milliseconds it took to hear something with that word; None if it did not."""
        begun, word = monotonic(), json.dumps(word, ensure_ascii=False)[1:-1]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while word not in await self._heard.get():
                    self.others += 1
                return (monotonic() - begun) * 1000
        return None


@asynccontextmanager
async def open_client(
    session: aiohttp.ClientSession, url: str, origin: str | None = None
) -> AsyncIterator[Client]:
    """A client that is in, until the block ends. Raises RefusedError, UnreachableError."""
    client = await _open(session, url, origin)
    listening = asyncio.create_task(client.listen())
    try:
        yield client
    finally:
        await client.close()
        await listening


async def _open(session: aiohttp.ClientSession, url: str, origin: str | None) -> Client:
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            socket = await session.ws_connect(url, protocols=[SUBPROTOCOL], origin=origin)
            return Client(socket, _read_id(await socket.receive()))
    # The texts of these errors have the URL in them, and the URL has the token.
    except aiohttp.WSServerHandshakeError as error:
        raise RefusedError(error.status) from None
    except TimeoutError:
        raise UnreachableError(f"no answer within {OPEN_SECONDS:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise UnreachableError(describe_failure(error)) from None


def _read_id(message: aiohttp.WSMessage) -> str:
    """The service greets each client first."""
    frame = _read_frame(message)
    if frame.get("event") != "connected":
        raise UnreachableError("the connection ended as soon as it was open")
    return str(frame.get("connectionId"))


def _read_frame(message: aiohttp.WSMessage) -> dict[str, Any]:
    if message.type is not aiohttp.WSMsgType.TEXT:
        return {}
    frame = json.loads(message.data)
    return frame if isinstance(frame, dict) else {}
