"""A Web PubSub service under test, reached through its public interfaces only."""

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import jwt
from yarl import URL

JSON = "json.webpubsub.azure.v1"
RELIABLE_JSON = "json.reliable.webpubsub.azure.v1"
SECONDS = 10
"""How long an answer or a message may take; a service far away needs some of it."""

type Query = Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class Answer:
    """What a REST call was answered."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str | None:
        """The service's error code."""
        return self.headers.get("x-ms-error-code")


@dataclass(frozen=True)
class Target:
    """A service by its connection string. `is_ours` is true for the emulator of this repository."""

    endpoint: str
    access_key: str = field(repr=False)
    is_ours: bool = False

    @classmethod
    def from_connection_string(cls, text: str, *, is_ours: bool = False) -> Self:
        """Reads `Endpoint`, `AccessKey` and, where it is given, `Port`."""
        pairs = (part.partition("=") for part in text.split(";") if part)
        parts = {key.strip().lower(): value for key, _, value in pairs}
        port = f":{parts['port']}" if "port" in parts else ""
        return cls(parts["endpoint"].rstrip("/") + port, parts["accesskey"], is_ours)

    @property
    def client_endpoint(self) -> str:
        """`ws://` or `wss://` and the host."""
        return self.endpoint.replace("http", "ws", 1)

    def sign(self, audience: str, **claims: Any) -> str:
        """A token of the service's key; lifetime an hour unless `exp` says otherwise."""
        payload = {"aud": audience, "exp": int(time.time()) + 3600} | claims
        # Not jwt.encode, which refuses claims that are odd, as some tests want them.
        return jwt.PyJWS().encode(json.dumps(payload).encode(), self.access_key, algorithm="HS256")

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        data: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A REST call, signed unless `headers` have an Authorization. `path` is sent as it is.

        Without an api-version in its `query` it is of the latest one.
        """
        is_given = any(name == "api-version" for name, _ in query)
        parameters = query if is_given else [("api-version", "2024-12-01"), *query]
        url = f"{self.endpoint}{path}?{urlencode(parameters)}"
        signed = {"Authorization": f"Bearer {self.sign(url)}"} | dict(headers or {})
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, URL(url, encoded=True), data=data, headers=signed, allow_redirects=False
            ) as response,
        ):
            is_json = "json" in response.content_type and method != "HEAD"
            body = await response.json() if is_json else await response.text()
            return Answer(response.status, response.headers.copy(), body)

    def client_token(self, hub: str, **claims: Any) -> str:
        """A client access token for a hub; claims such as `sub`, `role`, `webpubsub.group`."""
        return self.sign(f"{self.endpoint}/client/hubs/{hub}", **claims)

    @asynccontextmanager
    async def connect(
        self, hub: str, subprotocol: str | None = JSON, *, query: Query = (), **claims: Any
    ) -> AsyncIterator["Client"]:
        """A client that is open; `claims` are its token's, `role` and `group` without prefix."""
        names = {"user": "sub", "group": "webpubsub.group"}
        token = self.client_token(hub, **{names.get(k, k): v for k, v in claims.items()})
        parameters = [("access_token", token), *query]
        url = f"{self.client_endpoint}/client/hubs/{hub}?{urlencode(parameters)}"
        async with aiohttp.ClientSession() as session:
            protocols = [subprotocol] if subprotocol else []
            async with session.ws_connect(url, protocols=protocols) as websocket:
                client = Client(websocket)
                if subprotocol:
                    client.hello = await client.receive()
                yield client


class Client:
    """A WebSocket client without a library's help, so that every frame is seen."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self.websocket = websocket
        self.hello: dict[str, Any] = {}

    @property
    def connection_id(self) -> str:
        """From the first frame."""
        return str(self.hello["connectionId"])

    async def send(self, **frame: Any) -> None:
        """Sends a frame of the JSON subprotocols."""
        await self.websocket.send_json(frame)

    async def receive(self) -> dict[str, Any]:
        """The next frame, which must be JSON."""
        frame: dict[str, Any] = await self.websocket.receive_json(timeout=SECONDS)
        return frame

    async def receive_text(self) -> str:
        """The next frame as it came."""
        return await self.websocket.receive_str(timeout=SECONDS)

    async def receive_close(self) -> tuple[int, str]:
        """Code and reason of the close frame, which must be the next one."""
        message = await self.websocket.receive(timeout=SECONDS)
        assert message.type is aiohttp.WSMsgType.CLOSE, message
        return message.data, message.extra or ""

    async def say(self, **frame: Any) -> dict[str, Any]:
        """Sends a frame and returns the next one."""
        await self.send(**frame)
        return await self.receive()
