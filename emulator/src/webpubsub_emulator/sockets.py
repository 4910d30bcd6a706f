"""The client endpoint over aiohttp: handshakes, and reading from open WebSockets."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import WebSocketError, WSMessage, WSMsgType, web

from webpubsub_emulator.client_modes import PublishMode, read_mode
from webpubsub_emulator.client_socket import ClientSocket, new_websocket
from webpubsub_emulator.effects import Effect
from webpubsub_emulator.events import ConnectAnswer, Event, Handshake, Refusal
from webpubsub_emulator.faults import Faults
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.hub_endings import NORMAL_CLOSURE
from webpubsub_emulator.hub_settings import AllHubSettings, settings_of
from webpubsub_emulator.messages import Frame
from webpubsub_emulator.names import is_group_name, is_hub_name
from webpubsub_emulator.routes import split_path
from webpubsub_emulator.service import Service
from webpubsub_emulator.subprotocols import choose_subprotocol, lacks_protobuf
from webpubsub_emulator.tokens import (
    Client,
    allows_recovery,
    check_client_token,
    sign_reconnection_token,
)

CONNECTION_ID_BYTES = 16
ANONYMOUS = Client(user_id=None, roles=(), groups=(), claims={})
NO_PROTOBUF = (
    "The subprotocol {} needs the package protobuf: pip install 'webpubsub-emulator[protobuf]'"
)

_log = logging.getLogger("emulator")


class HandshakeError(Exception):
    """A client that is refused before the upgrade, with an HTTP status and a text."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class _Session:
    """A connection and its present socket."""

    hub: Hub
    connection_id: str
    user_id: str | None
    websocket: web.WebSocketResponse
    socket: ClientSocket

    def __str__(self) -> str:
        return f"hub={self.hub.name} connection={self.connection_id} user={self.user_id!r}"


class ClientEndpoint:
    """Accepts clients at /client/hubs/{hub} and /client/?hub={hub}."""

    def __init__(
        self, service: Service, access_key: str, faults: Faults, settings: AllHubSettings
    ) -> None:
        self._service = service
        self._access_key = access_key
        self._faults = faults
        self._settings = settings

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request below /client with a WebSocket or a refusal."""
        # The handshake is a call of its own, so that an idle client keeps none of its memory.
        try:
            session = await self._admit(request)
        except HandshakeError as error:
            _log.info("client refused: status=%d %s", error.status, error.text)
            return web.Response(status=error.status, text=error.text)
        if session is None:
            return await _refuse_recovery(request)
        return await self._serve(session)

    async def _admit(self, request: web.Request) -> _Session | None:
        """Return the session of a new or recovered connection; None if it cannot be recovered."""
        hub_name = _hub_name(request)
        if not web.WebSocketResponse(protocols=_offered(request)).can_prepare(request):
            raise HandshakeError(400, "The request is not a WebSocket handshake.")
        if "awps_connection_id" in request.query:
            return self._recover(request, self._service.hub(hub_name))
        client = self._authenticate(request, hub_name)
        if self._service.is_full:
            # ConnectionCountLimitReached (howto-troubleshoot-resource-logs). A recovery comes
            # earlier, because its connection counts already.
            raise HandshakeError(429, "The connection limit of the resource is reached.")
        mode = _read_mode(request)
        if not all(is_group_name(group) for group in client.groups):
            raise HandshakeError(400, "The token contains an invalid group name.")
        handshake = _read_handshake(request, client)
        _check_protobuf(handshake.subprotocols)
        return await self._enter(request, self._service.hub(hub_name), handshake, mode)

    def _authenticate(self, request: web.Request, hub_name: str) -> Client:
        token = _token(request)
        if not token and settings_of(self._settings, hub_name).allows_anonymous:
            return ANONYMOUS
        target = f"{request.host}/client/hubs/{hub_name}"
        client = check_client_token(token, self._access_key, target) if token else None
        if client is None:
            raise HandshakeError(401)
        return client

    async def _enter(
        self, request: web.Request, hub: Hub, handshake: Handshake, mode: PublishMode | None
    ) -> _Session:
        """Open a new connection. It can be addressed before the client gets the upgrade."""
        connection_id = handshake.connection_id
        answer = await self._connect(hub, hub.client_arrived(handshake, mode), handshake)
        token = sign_reconnection_token(self._access_key, connection_id)
        effects = hub.client_opened(connection_id, answer, token)
        opened = hub.connections.get(connection_id)
        if opened is not None:
            opened.opened_at = time.time()
        session = self._begin(request, hub, connection_id, effects)
        fault = self._faults.strike("late-visibility")
        if fault is not None:
            hub.connections.hide(connection_id)
            _call_later(fault.ms, hub.connections.reveal, connection_id)
        return session

    async def _connect(self, hub: Hub, event: Event, handshake: Handshake) -> ConnectAnswer:
        """Ask the app about a connection, which cannot be addressed yet."""
        answer: ConnectAnswer | Refusal = Refusal(500)
        try:
            answer = await self._service.connect(event)
        finally:
            # Also when the wait is cancelled, because the hub still has the arriving client.
            answer = _check_subprotocol(handshake, answer)
            if isinstance(answer, Refusal):
                hub.client_refused(handshake.connection_id)
        if isinstance(answer, Refusal):
            raise HandshakeError(answer.status)
        return answer

    def _recover(self, request: web.Request, hub: Hub) -> _Session | None:
        """Continue a connection. The client needs its reconnection token, no access token."""
        connection_id = request.query["awps_connection_id"]
        token = request.query.get("awps_reconnection_token", "")
        if hub.recovery.candidate(connection_id) is None or not allows_recovery(
            token, self._access_key, connection_id
        ):
            return None
        effects = hub.client_recovered(connection_id, token)
        return self._begin(request, hub, connection_id, effects)

    def _begin(
        self, request: web.Request, hub: Hub, connection_id: str, effects: list[Effect]
    ) -> _Session:
        """Carry out the effects of the opening. The socket queues frames until it is open."""
        opened = hub.connections.get(connection_id)
        websocket = new_websocket(opened.subprotocol if opened else None)
        socket = ClientSocket(hub.name, request)
        self._service.attach(connection_id, socket)
        self._service.run(effects)
        user_id = opened.user_id if opened else None
        return _Session(hub, connection_id, user_id, websocket, socket)

    async def _serve(self, session: _Session) -> web.WebSocketResponse:
        try:
            await session.socket.open(session.websocket)
            fault = self._faults.strike("connection-dropped")
            if fault is not None:
                _call_later(fault.ms, session.socket.drop)
            _log.info("client opened: %s", session)
            await self._read(session)
            _log.info("client closed: %s", session)
        finally:
            self._service.detach(session.connection_id, session.socket)
            await session.socket.finish()
        return session.websocket

    async def _read(self, session: _Session) -> None:
        hub, socket = session.hub, session.socket
        while True:
            message = await session.websocket.receive()
            if socket.is_gone:
                return
            socket.is_silent = False
            if message.type in (WSMsgType.PING, WSMsgType.PONG):
                _answer(socket, message)
                continue
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._service.run(_last_input(hub, session.connection_id, message))
                return
            self._service.run(hub.client_sent(session.connection_id, _frame(message)))
            await socket.readable()


def _call_later(ms: int, function: Callable[..., None], *arguments: Any) -> None:
    asyncio.get_running_loop().call_later(ms / 1000, function, *arguments)


def _answer(socket: ClientSocket, message: WSMessage) -> None:
    """Answer a WebSocket ping. A pong has no answer."""
    if message.type is WSMsgType.PING:
        socket.pong(message.data)


def _frame(message: WSMessage) -> Frame:
    if message.type is WSMsgType.TEXT:
        return Frame(message.data.encode())
    return Frame(message.data, is_text=False)


def _last_input(hub: Hub, connection_id: str, message: WSMessage) -> list[Effect]:
    """Return the effects of a close frame, a violation, or a socket that is gone."""
    if message.type is WSMsgType.CLOSE:
        # No code counts as 1000, because browsers send none for a plain close().
        return hub.client_closed(connection_id, message.data or NORMAL_CLOSURE, message.extra or "")
    if isinstance(message.data, WebSocketError):
        # aiohttp has closed already: with 1002, 1007 for bad UTF-8, or 1009 beyond the limit.
        return hub.client_dropped(connection_id)
    return hub.client_lost(connection_id)


def _hub_name(request: web.Request) -> str:
    """Return the hub in the path or in the query (concept-client-protocols)."""
    segments = split_path(request.rel_url.raw_path)
    if segments == ("", "client"):
        name = request.query.get("hub", "")
    elif len(segments) == 4 and segments[:3] == ("", "client", "hubs"):
        name = segments[3]
    else:
        raise HandshakeError(404)
    if not is_hub_name(name):
        raise HandshakeError(400, "The hub name is invalid.")
    return name


def _token(request: web.Request) -> str:
    """Return the token in the query (its key in any case) or in the header, or an empty text."""
    for key, value in request.query.items():
        if key.lower() == "access_token":
            return value
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _read_mode(request: web.Request) -> PublishMode | None:
    try:
        return read_mode({key: request.query.getall(key) for key in request.query})
    except ValueError as error:
        raise HandshakeError(400, str(error)) from None


def _read_handshake(request: web.Request, client: Client) -> Handshake:
    query = {key: request.query.getall(key) for key in request.query}
    headers = {name: request.headers.getall(name) for name in request.headers}
    return Handshake(
        connection_id=secrets.token_hex(CONNECTION_ID_BYTES),
        user_id=client.user_id,
        roles=client.roles,
        groups=client.groups,
        subprotocols=_offered(request),
        claims=client.claims,
        query={key: values for key, values in query.items() if key.lower() != "access_token"},
        headers={
            name: values for name, values in headers.items() if name.lower() != "authorization"
        },
    )


def _offered(request: web.Request) -> tuple[str, ...]:
    lines = request.headers.getall("Sec-WebSocket-Protocol", [])
    names = (name.strip() for name in ",".join(lines).split(","))
    return tuple(name for name in names if name)


def _check_subprotocol(
    handshake: Handshake, answer: ConnectAnswer | Refusal
) -> ConnectAnswer | Refusal:
    """Return the answer, or a refusal if the app chose a subprotocol that cannot be used."""
    picked = None if isinstance(answer, Refusal) else answer.subprotocol
    if picked is None:
        return answer
    if lacks_protobuf(picked):
        _log.warning(NO_PROTOBUF.format(picked))
        return Refusal(501)
    return answer if picked in handshake.subprotocols else Refusal(500)


def _check_protobuf(offered: tuple[str, ...]) -> None:
    """Refuse a client whose first known subprotocol needs a package that is not installed."""
    name = choose_subprotocol(offered, None)
    if name is not None and lacks_protobuf(name):
        raise HandshakeError(501, NO_PROTOBUF.format(name))


async def _refuse_recovery(request: web.Request) -> web.WebSocketResponse:
    """Upgrade and close with 1008, after which clients do not retry the recovery (client-spec)."""
    websocket = new_websocket(choose_subprotocol(_offered(request), None))
    await websocket.prepare(request)
    await websocket.close(code=1008, message=b"The connection could not be recovered.")
    return websocket
