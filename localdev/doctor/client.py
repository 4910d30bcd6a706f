"""A client of Web PubSub like one in a browser: a WebSocket with the JSON subprotocol.

It only receives.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
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
        self.others = 0  # messages about none of the users waited for
        self.sees_presence = False  # whether the app sends presence messages
        self._socket = socket
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self._users: set[str] = set()

    async def listen(self) -> None:
        """Collect the messages of the app to the client's groups until the connection ends."""
        async for message in self._socket:
            frame = _read_frame(message)
            # A message that was sent by REST, as the app sends its own, has no `fromUserId`.
            if frame.get("type") == "message" and not frame.get("fromUserId"):
                data = frame.get("data")
                self.sees_presence = self.sees_presence or _is_presence(data)
                self._messages.put_nowait(data)

    async def close(self) -> None:
        """Close the connection."""
        await self._socket.close()

    async def wait_for(self, user_id: str, seconds: float) -> float | None:
        """Return after how many milliseconds a message with the user id came; None if none did."""
        return await self._wait_for(user_id, seconds, _names)

    async def wait_for_leave(self, user_id: str, seconds: float) -> float | None:
        """Return the milliseconds as `wait_for`; a presence message must name the user as gone."""
        return await self._wait_for(user_id, seconds, _may_be_leave)

    async def _wait_for(
        self, user_id: str, seconds: float, is_expected: Callable[[Any, str], bool]
    ) -> float | None:
        started = monotonic()
        self._users.add(user_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not is_expected(data := await self._messages.get(), user_id):
                    self.others += not any(_names(data, user) for user in self._users)
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


def _is_presence(data: Any) -> bool:
    return isinstance(data, dict) and data.get("type") == "presence"


def _names(data: Any, user_id: str) -> bool:
    quoted = json.dumps(user_id, ensure_ascii=False)[1:-1]
    return quoted in json.dumps(data, ensure_ascii=False)


def _may_be_leave(data: Any, user_id: str) -> bool:
    # Other formats name the user in the same way when it joins, so the caller waits for that first.
    return user_id in data.get("gone", ()) if _is_presence(data) else _names(data, user_id)


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
