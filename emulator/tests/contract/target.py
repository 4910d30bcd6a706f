"""A Web PubSub service under test, reached through its public interfaces only."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import jwt
from yarl import URL

JSON = "json.webpubsub.azure.v1"
RELIABLE_JSON = "json.reliable.webpubsub.azure.v1"
PROTOBUF = "protobuf.webpubsub.azure.v1"
RELIABLE_PROTOBUF = "protobuf.reliable.webpubsub.azure.v1"
ANY_GROUP = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]
T = TypeVar("T")
SECONDS = (
    60  # limit for an answer or a message; a distant service or a busy machine needs some of it
)

TEXT = {"Content-Type": "text/plain"}
NO_TOKEN = {"Authorization": ""}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a REST call."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str | None:
        """Return the service's error code, or None."""
        return self.headers.get("x-ms-error-code")


@dataclass(frozen=True, slots=True)
class Target:
    """A service by its connection string. `is_emulator` is true for this project's emulator."""

    endpoint: str
    access_key: str = field(repr=False)
    is_emulator: bool = False

    @classmethod
    def from_connection_string(cls, text: str, *, is_emulator: bool = False) -> Self:
        """Read `Endpoint`, `AccessKey` and an optional `Port`. Raises ValueError if that fails."""
        pairs = (part.partition("=") for part in text.split(";") if part)
        parts = {key.strip().lower(): value for key, _, value in pairs}
        missing = [name for name in ("Endpoint", "AccessKey") if not parts.get(name.lower())]
        if missing:
            raise ValueError(f"The connection string has no {' and no '.join(missing)}.")
        if len(parts["accesskey"].encode()) < 32:  # RFC 7518, section 3.2
            raise ValueError("The AccessKey has less than the 32 bytes that its signatures need.")
        port = f":{parts['port']}" if "port" in parts else ""
        endpoint = parts["endpoint"].rstrip("/") + port
        check_endpoint(endpoint)
        return cls(endpoint, parts["accesskey"], is_emulator)

    @property
    def connection_string(self) -> str:
        """Return a connection string for the official client of the data plane."""
        return f"Endpoint={self.endpoint};AccessKey={self.access_key};Version=1.0;"

    @property
    def client_endpoint(self) -> str:
        """Return `ws://` or `wss://` and the host."""
        return self.endpoint.replace("http", "ws", 1)

    def sign(self, audience: str, **claims: Any) -> str:
        """Sign a token with the service's key. It expires in an hour unless `exp` is given."""
        payload = {"aud": audience, "exp": int(time.time()) + 3600} | claims
        # jwt.encode refuses invalid claims, which some tests need.
        return jwt.PyJWS().encode(json.dumps(payload).encode(), self.access_key, algorithm="HS256")

    async def call(
        self,
        method: str,
        path: str,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a REST call, signed unless `headers` include Authorization.

        `path` is sent unchanged with its query; without an api-version the latest one is added.
        `data` is JSON unless the headers name another type.
        """
        url = self.endpoint + path
        if "api-version" not in path:
            url += f"{'&' if '?' in path else '?'}api-version=2024-12-01"
        defaults = {"Authorization": f"Bearer {self.sign(url)}"}
        if data is not None:
            defaults["Content-Type"] = "application/json"
        options: dict[str, Any] = {"data": data, "headers": defaults | dict(headers or {})}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, URL(url, encoded=True), allow_redirects=False, **options
            ) as response,
        ):
            is_json = "json" in response.content_type and method != "HEAD"
            body = await response.json() if is_json else await response.text()
            return Answer(response.status, response.headers.copy(), body)

    def client_token(self, hub: str, **claims: Any) -> str:
        """Return a client access token for a hub, with claims such as `sub` and `role`."""
        return self.sign(f"{self.endpoint}/client/hubs/{hub}", **claims)

    @asynccontextmanager
    async def open(
        self, path: str, protocols: Sequence[str] = (), token: str = "", **options: Any
    ) -> AsyncIterator["Client"]:
        """Open a WebSocket. The token is in a header, because error texts show the URL."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        url = URL(self.client_endpoint + path, encoded=True)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                url, protocols=protocols, headers=headers, max_msg_size=0, **options
            ) as websocket,
        ):
            yield Client(websocket)

    async def refusal(self, path: str, protocols: Sequence[str] = (), token: str = "") -> int:
        """Return the status that refuses a client. Raises AssertionError if it is accepted."""
        try:
            async with self.open(path, protocols, token):
                raise AssertionError("the client was accepted")
        except aiohttp.WSServerHandshakeError as error:
            return error.status


def check_endpoint(endpoint: str) -> None:
    """Raise ValueError if this is not the URL of a service."""
    try:
        parts = urlsplit(endpoint)
        is_url = bool(parts.hostname and (parts.port is None or parts.port >= 0))
    except ValueError:
        is_url = False
    if not is_url:
        raise ValueError("The connection string's Endpoint is not a URL.")
    if parts.scheme not in ("http", "https"):
        raise ValueError("The connection string's Endpoint must start with https:// or http://")


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub of the service under test. `str` returns its name."""

    target: Target
    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def client_path(self) -> str:
        """Return the path where clients connect."""
        return f"/client/hubs/{self.name}"

    async def call(self, method: str, path: str, data: Any = None, **headers: str) -> Answer:
        """Call below the hub, as `Target.call`. Underscores in header names become hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.target.call(method, f"/api/hubs/{self.name}{path}", data, named)

    async def send(self, text: str, to: str = "") -> None:
        """Send a text to all, or to `to`: "/groups/g", "/users/u" or "/connections/c"."""
        answer = await self.call("POST", f"{to}/:send", text, Content_Type="text/plain")
        assert answer.status == 202

    async def has(self, path: str) -> bool:
        """Return whether the group, user or connection at this path exists."""
        answer = await self.call("HEAD", path)
        assert answer.status in (200, 404)
        return answer.status == 200

    def token(self, **claims: Any) -> str:
        """Return a client access token. `user` and `group` stand for the claims' full names."""
        names = {"user": "sub", "group": "webpubsub.group"}
        named = {names.get(key, key): value for key, value in claims.items()}
        return self.target.client_token(self.name, **named)

    @asynccontextmanager
    async def connect(
        self, subprotocol: str | None = JSON, *, query: str = "", **claims: Any
    ) -> AsyncIterator["Client"]:
        """Open a client. With a subprotocol its first frame has been read."""
        protocols = [subprotocol] if subprotocol else []
        path = f"{self.client_path}?{query}"
        async with self.target.open(path, protocols, self.token(**claims)) as client:
            if subprotocol:
                client.hello = await client.receive()
            yield client

    def recover(
        self, client: "Client", token: str | None = None
    ) -> AbstractAsyncContextManager["Client"]:
        """Open a new WebSocket for the connection of a reliable client."""
        secret = client.hello.get("reconnectionToken", "") if token is None else token
        query = {"awps_connection_id": client.connection_id, "awps_reconnection_token": secret}
        return self.target.open(f"{self.client_path}?{urlencode(query)}", [RELIABLE_JSON])


class Client:
    """A WebSocket client without an SDK, so that tests see every frame."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self.websocket = websocket
        self.hello: dict[str, Any] = {}

    @property
    def connection_id(self) -> str:
        """Return the connection id of the first frame."""
        return str(self.hello["connectionId"])

    @property
    def path(self) -> str:
        """Return the connection's path below its hub."""
        return f"/connections/{self.connection_id}"

    async def send(self, **frame: Any) -> None:
        """Send a frame of the JSON subprotocols."""
        await self.websocket.send_json(frame)

    async def receive(self) -> dict[str, Any]:
        """Return the next frame, which must be JSON."""
        frame: dict[str, Any] = await self.websocket.receive_json(timeout=SECONDS)
        return frame

    async def receive_text(self) -> str:
        """Return the next frame as text."""
        return await self.websocket.receive_str(timeout=SECONDS)

    async def receive_close(self) -> tuple[int, str]:
        """Return code and reason of the close frame, which must be the next frame."""
        message = await self.websocket.receive(timeout=SECONDS)
        assert message.type is aiohttp.WSMsgType.CLOSE, message
        return message.data, message.extra or ""

    async def exchange(self, **frame: Any) -> dict[str, Any]:
        """Send a frame and return the next frame."""
        await self.send(**frame)
        return await self.receive()

    async def ask(self, ack_id: int, **frame: Any) -> str:
        """Send a frame and read until its ack. Return "done" or the name of the error."""
        await self.send(ackId=ack_id, **frame)
        while (answer := await self.receive())["type"] != "ack":
            pass
        assert answer["ackId"] == ack_id
        return "done" if answer["success"] else str(answer["error"]["name"])

    def drop(self) -> None:
        """Lose the TCP connection without a close frame."""
        connection = self.websocket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.abort()


async def eventually(ask: Callable[[], Awaitable[T]], expected: T) -> None:
    """Ask until the answer is the expected one; a service may need time."""
    deadline = time.monotonic() + SECONDS
    while (answer := await ask()) != expected:
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.1)


def escape(text: str) -> str:
    """Percent-encode a text for a path or a query."""
    return quote(text, safe="")
