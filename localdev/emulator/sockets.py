"""The client endpoint over aiohttp: the handshake, and a client's WebSocket while it is open."""

import asyncio
import logging
import secrets

from aiohttp import WSMessage, WSMsgType, web

from localdev.emulator.client_socket import ClientSocket
from localdev.emulator.effects import Effect
from localdev.emulator.events import ConnectAnswer, Handshake, Refusal
from localdev.emulator.hub import ENDED, Hub
from localdev.emulator.messages import (
    MESSAGE_LIMIT,
    Frame,
    choose_subprotocol,
    is_group_name,
    is_hub_name,
)
from localdev.emulator.routes import split_path
from localdev.emulator.service import Service
from localdev.emulator.tokens import Client, check_client_token

CONNECTION_ID_BYTES = 16

_log = logging.getLogger("emulator")


class HandshakeError(Exception):
    """A client that is refused before the upgrade, with this HTTP status and text."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class ClientEndpoint:
    """Lets clients in at /client/hubs/{hub} and /client/?hub={hub}."""

    def __init__(self, service: Service, access_key: str) -> None:
        self._service = service
        self._access_key = access_key

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The answer to any request below /client: a WebSocket, or a refusal."""
        try:
            return await self._handle(request)
        except HandshakeError as error:
            _log.info("client refused: status=%d", error.status)
            return web.Response(status=error.status, text=error.text)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        hub_name = _hub_name(request)
        if not web.WebSocketResponse(protocols=_offered(request)).can_prepare(request):
            raise HandshakeError(400, "The request is not a WebSocket handshake.")
        if "awps_connection_id" in request.query:
            return await _refuse_recovery(request)
        client = self._authenticate(request, hub_name)
        _check_mode(request)
        if not all(is_group_name(group) for group in client.groups):
            raise HandshakeError(400, "The token contains an invalid group name.")
        hub = self._service.hub(hub_name)
        handshake = _read_handshake(request, client)
        answer = await self._connect(hub, handshake)
        return await self._serve(request, hub, handshake, answer)

    def _authenticate(self, request: web.Request, hub_name: str) -> Client:
        token = _token(request)
        target = f"{request.host}/client/hubs/{hub_name}"
        client = check_client_token(token, self._access_key, target) if token else None
        if client is None:
            raise HandshakeError(401)
        return client

    async def _connect(self, hub: Hub, handshake: Handshake) -> ConnectAnswer:
        """Ask the app. The connection cannot be addressed yet."""
        answer: ConnectAnswer | Refusal = Refusal(500)
        event = hub.client_arrived(handshake)
        try:
            answer = await self._service.connect(event)
        finally:
            # Also when the wait is cut short: a client that arrived must go on or go.
            answer = _check_subprotocol(handshake, answer)
            if isinstance(answer, Refusal):
                hub.client_refused(handshake.connection_id)
        if isinstance(answer, Refusal):
            raise HandshakeError(answer.status)
        return answer

    async def _serve(
        self, request: web.Request, hub: Hub, handshake: Handshake, answer: ConnectAnswer
    ) -> web.WebSocketResponse:
        """The connection's whole life. It is addressable before the client learns of it."""
        connection_id = handshake.connection_id
        subprotocol = choose_subprotocol(handshake.subprotocols, answer.subprotocol)
        websocket = _websocket(subprotocol)
        socket = ClientSocket(hub.name, lambda: _abort(request))
        self._service.attach(connection_id, socket)
        try:
            token = secrets.token_urlsafe(32)
            self._service.run(hub.client_opened(connection_id, answer, token))
            await websocket.prepare(request)
            await self._exchange(websocket, socket, hub, connection_id)
        finally:
            self._service.run(hub.client_lost(connection_id))
            self._service.detach(connection_id)
        return websocket

    async def _exchange(
        self, websocket: web.WebSocketResponse, socket: ClientSocket, hub: Hub, connection_id: str
    ) -> None:
        opened = hub.connection(connection_id)
        user_id = opened.user_id if opened else None
        _log.info("client opened: hub=%s connection=%s user=%r", hub.name, connection_id, user_id)
        writer = asyncio.create_task(socket.write(websocket))
        try:
            await self._read(websocket, socket, hub, connection_id)
        finally:
            writer.cancel()
            await asyncio.wait([writer])
            _log.info(
                "client closed: hub=%s connection=%s user=%r", hub.name, connection_id, user_id
            )

    async def _read(
        self, websocket: web.WebSocketResponse, socket: ClientSocket, hub: Hub, connection_id: str
    ) -> None:
        while True:
            message = await websocket.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                socket.retire()
                self._service.run(_last_input(hub, connection_id, message))
                return
            self._service.run(hub.client_sent(connection_id, _frame(message)))
            await socket.readable.wait()


def _frame(message: WSMessage) -> Frame:
    if message.type is WSMsgType.TEXT:
        return Frame(message.data.encode())
    return Frame(message.data, is_text=False)


def _last_input(hub: Hub, connection_id: str, message: WSMessage) -> list[Effect]:
    """What the hub makes of the end: a close frame, or a socket that is gone."""
    if message.type is not WSMsgType.CLOSE:
        return hub.client_lost(connection_id)
    # A close frame may come without a reason.
    reason = message.extra if message.data == 1000 and message.extra else ENDED
    return hub.client_closed(connection_id, reason)


def _hub_name(request: web.Request) -> str:
    """The hub in the path or in the query (concept-client-protocols)."""
    segments = split_path(request.rel_url.raw_path)
    if segments in (("", "client"), ("", "client", "")):
        name = request.query.get("hub", "")
    elif len(segments) == 4 and segments[:3] == ("", "client", "hubs"):
        name = segments[3]
    else:
        raise HandshakeError(404)
    if not is_hub_name(name):
        raise HandshakeError(400, "The hub name is invalid.")
    return name


def _token(request: web.Request) -> str:
    """The token in the query, its key in any case, or else in the header; or nothing."""
    for key, value in request.query.items():
        if key.lower() == "access_token":
            return value
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _check_mode(request: web.Request) -> None:
    """Simple clients send user events; the other mode is not built."""
    modes = [mode.lower() for mode in request.query.getall("webpubsub_mode", [])]
    mode = modes[-1] if modes else ""
    if mode == "sendtogroup":
        # Differs from Azure: refused to JSON clients, too, which ignore the mode there.
        raise HandshakeError(501, "The mode sendToGroup is not supported by the emulator yet.")
    if mode not in ("", "sendevent"):
        raise HandshakeError(400, "The mode is unknown.")


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
    """The answer, unless the app picked a subprotocol that the client did not offer."""
    picked = None if isinstance(answer, Refusal) else answer.subprotocol
    return answer if picked is None or picked in handshake.subprotocols else Refusal(500)


async def _refuse_recovery(request: web.Request) -> web.WebSocketResponse:
    # Differs from Azure: no session can be recovered. The client is told as the protocol has
    # it: the upgrade works, then 1008 says that trying again is of no use (client-spec).
    websocket = _websocket(choose_subprotocol(_offered(request), None))
    await websocket.prepare(request)
    await websocket.close(code=1008, message=b"The connection could not be recovered.")
    return websocket


def _websocket(subprotocol: str | None) -> web.WebSocketResponse:
    return web.WebSocketResponse(
        protocols=[subprotocol] if subprotocol else [],
        # Compressing would encode a broadcast once per client.
        compress=False,
        # aiohttp refuses messages from this size on.
        max_msg_size=MESSAGE_LIMIT + 1,
    )


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
