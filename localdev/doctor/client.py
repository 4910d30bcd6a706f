"""A client of Web PubSub like one in a browser: a WebSocket with the JSON subprotocol.

It only receives.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

import aiohttp

from localdev.addresses import is_protected
from localdev.doctor.calls import UnreachableError, describe_failure
from localdev.doctor.events import SUBPROTOCOL

OPEN_SECONDS = 45.0
FOREIGN_ORIGIN = "https://foreign.example"  # of a page that no setting allows


class RefusedError(Exception):
    """Web PubSub answered the handshake with another status than 101."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the handshake was answered with {status}")
        self.status = status


class Client:
    """An open connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, connection_id: str) -> None:
        self.connection_id = connection_id
        self.others = 0  # messages about other users, received while waiting for one
        self._socket = socket
        self._messages: asyncio.Queue[str] = asyncio.Queue()

    async def listen(self) -> None:
        """Collect the messages of the app to the client's groups until the connection ends."""
        async for message in self._socket:
            frame = _read_frame(message)
            # A message that was sent by REST, as the app sends its own, has no `fromUserId`.
            if frame.get("type") == "message" and not frame.get("fromUserId"):
                self._messages.put_nowait(json.dumps(frame.get("data"), ensure_ascii=False))

    async def close(self) -> None:
        """Close the connection."""
        await self._socket.close()

    async def wait_for(self, user_id: str, seconds: float) -> float | None:
        """Return after how many milliseconds a message with the user id came; None if none did."""
        started = monotonic()
        quoted = json.dumps(user_id, ensure_ascii=False)[1:-1]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while quoted not in await self._messages.get():
                    self.others += 1
                return (monotonic() - started) * 1000
        return None


@asynccontextmanager
async def open_client(
    session: aiohttp.ClientSession, url: str, origin: str | None = None
) -> AsyncIterator[Client]:
    """Connect a client until the block ends. Raises RefusedError, UnreachableError."""
    client = await _open(session, url, origin)
    listening = asyncio.create_task(client.listen())
    try:
        yield client
    finally:
        await client.close()
        await listening


async def _open(session: aiohttp.ClientSession, url: str, origin: str | None) -> Client:
    if not is_protected(url):
        raise UnreachableError("the client URL uses ws, which would send the token unencrypted")
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            socket = await session.ws_connect(url, protocols=[SUBPROTOCOL], origin=origin)
            return Client(socket, _read_connection_id(await socket.receive()))
    # The messages of these errors contain the URL, and the URL contains the token.
    except aiohttp.WSServerHandshakeError as error:
        raise RefusedError(error.status) from None
    except TimeoutError:
        raise UnreachableError(f"no answer within {OPEN_SECONDS:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise UnreachableError(describe_failure(error)) from None


def _read_connection_id(message: aiohttp.WSMessage) -> str:
    # Web PubSub sends `connected` to each client first.
    frame = _read_frame(message)
    if frame.get("event") != "connected":
        raise UnreachableError("the connection ended as soon as it was open")
    return str(frame.get("connectionId"))


def _read_frame(message: aiohttp.WSMessage) -> dict[str, Any]:
    if message.type is not aiohttp.WSMsgType.TEXT:
        return {}
    frame = json.loads(message.data)
    return frame if isinstance(frame, dict) else {}
