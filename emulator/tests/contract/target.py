"""A Web PubSub service under test, reached through its public interfaces only."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import jwt
from yarl import URL

JSON = "json.webpubsub.azure.v1"
RELIABLE_JSON = "json.reliable.webpubsub.azure.v1"
ANY_GROUP = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]
SECONDS = 10
"""How long an answer or a message may take; a service far away needs some of it."""

TEXT = {"Content-Type": "text/plain"}
NO_TOKEN = {"Authorization": ""}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a REST call was answered."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str | None:
        """The service's error code."""
        return self.headers.get("x-ms-error-code")


@dataclass(frozen=True, slots=True)
class Target:
    """A service by its connection string. `is_ours` is true for the emulator of this repository."""

    endpoint: str
    access_key: str = field(repr=False)
    is_ours: bool = False

    @classmethod
    def from_connection_string(cls, text: str, *, is_ours: bool = False) -> Self:
        """Reads `Endpoint`, `AccessKey` and, where it is given, `Port`; ValueError if it cannot."""
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
        return cls(endpoint, parts["accesskey"], is_ours)

    @property
    def connection_string(self) -> str:
        """For the official client of the data plane."""
        return f"Endpoint={self.endpoint};AccessKey={self.access_key};Version=1.0;"

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
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A REST call, signed unless `headers` have an Authorization.

        `path` is sent as it is, with its query; without an api-version it is of the latest one.
        `data` is JSON unless the headers say otherwise.
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
        """A client access token for a hub; claims such as `sub`, `role`, `webpubsub.group`."""
        return self.sign(f"{self.endpoint}/client/hubs/{hub}", **claims)

    @asynccontextmanager
    async def open(
        self, path: str, protocols: Sequence[str] = (), token: str = "", **options: Any
    ) -> AsyncIterator["Client"]:
        """A WebSocket at a path of the service; the token goes where no error text shows it."""
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
        """The status with which a client is refused; AssertionError if it is let in."""
        try:
            async with self.open(path, protocols, token):
                raise AssertionError("the client was let in")
        except aiohttp.WSServerHandshakeError as error:
            return error.status


def check_endpoint(endpoint: str) -> None:
    """ValueError if this is no URL of a service."""
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
    """A hub of a service under test; as a text, its name."""

    target: Target
    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def client_path(self) -> str:
        """Where its clients connect."""
        return f"/client/hubs/{self.name}"

    async def call(self, method: str, path: str, data: Any = None, **headers: str) -> Answer:
        """As `Target.call`, below the hub; underscores in names of headers become hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.target.call(method, f"/api/hubs/{self.name}{path}", data, named)

    async def send(self, text: str, to: str = "") -> None:
        """A text to all, or to "/groups/g", "/users/u", "/connections/c"."""
        answer = await self.call("POST", f"{to}/:send", text, Content_Type="text/plain")
        assert answer.status == 202

    async def has(self, path: str) -> bool:
        """Whether that group, user or connection exists."""
        answer = await self.call("HEAD", path)
        assert answer.status in (200, 404)
        return answer.status == 200

    def token(self, **claims: Any) -> str:
        """A client access token; `user` and `group` are short for the claims' own names."""
        names = {"user": "sub", "group": "webpubsub.group"}
        named = {names.get(key, key): value for key, value in claims.items()}
        return self.target.client_token(self.name, **named)

    @asynccontextmanager
    async def connect(
        self, subprotocol: str | None = JSON, *, query: str = "", **claims: Any
    ) -> AsyncIterator["Client"]:
        """A client that is open and, with a subprotocol, has read its first frame."""
        protocols = [subprotocol] if subprotocol else []
        path = f"{self.client_path}?{query}"
        async with self.target.open(path, protocols, self.token(**claims)) as client:
            if subprotocol:
                client.hello = await client.receive()
            yield client

    def recover(
        self, client: "Client", token: str | None = None
    ) -> AbstractAsyncContextManager["Client"]:
        """A new WebSocket for a reliable client's connection."""
        given = client.hello.get("reconnectionToken", "") if token is None else token
        names = {"awps_connection_id": client.connection_id, "awps_reconnection_token": given}
        return self.target.open(f"{self.client_path}?{urlencode(names)}", [RELIABLE_JSON])


class Client:
    """A WebSocket client without a library's help, so that every frame is seen."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self.websocket = websocket
        self.hello: dict[str, Any] = {}

    @property
    def connection_id(self) -> str:
        """From the first frame."""
        return str(self.hello["connectionId"])

    @property
    def path(self) -> str:
        """The connection's, below its hub."""
        return f"/connections/{self.connection_id}"

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

    async def ask(self, ack_id: int, **frame: Any) -> str:
        """Sends a frame and reads to its ack: "done", or the name of the error."""
        await self.send(ackId=ack_id, **frame)
        while (answer := await self.receive())["type"] != "ack":
            pass
        assert answer["ackId"] == ack_id
        return "done" if answer["success"] else str(answer["error"]["name"])

    def drop(self) -> None:
        """Loses the TCP connection, without a close frame."""
        connection = self.websocket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.abort()


async def eventually[T](ask: Callable[[], Awaitable[T]], expected: T) -> None:
    """Asks until the answer is the expected one, for a service may take its time."""
    deadline = time.monotonic() + SECONDS
    while (answer := await ask()) != expected:
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.1)


def escape(text: str) -> str:
    """A text in a path or a query."""
    return quote(text, safe="")
