"""Tests of localdev/emulator/server.py: the whole emulator over sockets, with official clients."""

import asyncio
import io
import json
import logging
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import WSMsgType, web
from azure.core.exceptions import ResourceNotFoundError
from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubclient.aio import WebPubSubClient as AsyncWebPubSubClient
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    OpenClientError,
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)
from azure.messaging.webpubsubservice import WebPubSubServiceClient as SyncServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from yarl import URL

from localdev.emulator.server import Emulator
from localdev.emulator.tokens import ACCESS_KEY, sign_data_plane_token
from tests.localdev.emulator.app import App
from tests.localdev.emulator.clients import Clients
from tests.localdev.emulator.samples import JSON

Socket = aiohttp.ClientWebSocketResponse
ANY_GROUP = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]


def service(emulator: Emulator, hub: str = "chat") -> WebPubSubServiceClient:
    """The official client of the data plane."""
    return WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub)


async def client_url(emulator: Emulator, **grants: Any) -> str:
    """A client access URL as the official client makes it."""
    async with service(emulator) as client:
        token = await client.get_client_access_token(**grants)
    return str(token["url"])


async def opened(
    emulator: Emulator, clients: Clients, subprotocol: str = JSON, **grants: Any
) -> tuple[Socket, str]:
    """A JSON client and its connection id."""
    url = await client_url(emulator, **grants)
    socket = await clients.connect(url, protocols=[subprotocol])
    return socket, (await receive(socket))["connectionId"]


async def receive(socket: Socket) -> Any:
    """The next frame of a JSON client."""
    return json.loads(await socket.receive_str(timeout=5))


async def closing(socket: Socket) -> tuple[int | None, str | None]:
    """Code and reason of the close frame, which must come next."""
    message = await socket.receive(timeout=5)
    assert message.type is WSMsgType.CLOSE, message
    return message.data, message.extra


def bearer() -> dict[str, str]:
    """The header of a caller who may do everything."""
    return {"Authorization": f"Bearer {sign_data_plane_token(ACCESS_KEY)}"}


# --- the emulator itself -----------------------------------------------------------------


async def test_nothing_is_left_running(clients: Clients) -> None:
    """After the end clients are closed with 1001, the port is free and no task is left."""
    async with Emulator() as emulator:
        port = int(emulator.endpoint.rpartition(":")[2])
        socket, _ = await opened(emulator, clients)
        with pytest.raises(OSError, match="in use"):
            await Emulator(port=port).__aenter__()
        close = asyncio.create_task(closing(socket))
        await asyncio.sleep(0)
    assert (await close)[0] == 1001
    async with Emulator(port=port) as again:
        assert again.endpoint == f"http://127.0.0.1:{port}"
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_no_secret_is_logged(
    emulator: Emulator, clients: Clients, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls, clients and events are logged, without tokens, queries, signatures and the key."""
    caplog.set_level(logging.DEBUG, "emulator")
    app.scripts["connected"] = [web.Response(status=400)]
    socket, connection_id = await opened(emulator, clients, user_id="ann")
    await app.wait_for("connect", "connected")
    async with service(emulator) as client:
        await client.close_connection(connection_id, reason="private")
    await closing_after_goodbye(socket)
    await app.wait_for("connect", "connected", "disconnected")
    lines = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "emulator"]
    texts = "\n".join(text for _, text in lines)
    assert f"DELETE /api/hubs/chat/connections/{connection_id} 204" in texts
    assert f"client opened: hub=chat connection={connection_id} user='ann'" in texts
    assert (
        "WARNING",
        f"event=connected hub=chat connection={connection_id} status=400 attempts=1",
    ) in lines
    signature = app.last("connected").headers["ce-signature"]
    for secret in (ACCESS_KEY, "eyJ", "c0de", "private", signature):
        assert secret not in texts


async def closing_after_goodbye(socket: Socket) -> None:
    """Read the frame that announces a close, and the close."""
    assert (await receive(socket))["event"] == "disconnected"
    assert (await closing(socket))[0] == 1000


# --- the data plane ----------------------------------------------------------------------


async def test_groups_with_the_official_client(emulator: Emulator, clients: Clients) -> None:
    """Adding, listing, sending to, checking and leaving a group work as the client expects."""
    async with service(emulator) as client:
        socket, one = await opened(emulator, clients, user_id="ann")
        _, two = await opened(emulator, clients)
        assert not await client.group_exists("a room")
        for connection_id in (one, two):
            await client.add_connection_to_group("a room", connection_id)
        members = client.list_connections(group="a room")
        found = [(member.connection_id, member.user_id) async for member in members]
        assert found == sorted([(one, "ann"), (two, None)])
        await client.send_to_group("a room", {"a": 1}, excluded=[two])
        assert await receive(socket) == {
            "type": "message",
            "from": "group",
            "fromUserId": None,
            "group": "a room",
            "dataType": "json",
            "data": {"a": 1},
        }
        await client.remove_connection_from_group("a room", one)
        assert await client.group_exists("a room")
        await client.remove_connection_from_group("a room", two)
        assert not await client.group_exists("a room")
        with pytest.raises(ResourceNotFoundError) as caught:
            await client.add_connection_to_group("a room", "nobody")
        assert caught.value.error is not None
        assert caught.value.error.code == "Error.Connection.NotExisted"


async def test_sends_with_the_official_client(emulator: Emulator, clients: Clients) -> None:
    """Messages to all, a user and a connection arrive with their type, excluded ones do not."""
    socket, one = await opened(emulator, clients, user_id="ann")
    async with service(emulator, hub="CHAT") as client:
        await client.send_to_all("nobody hears", excluded=[one])
        await client.send_to_all("text", content_type="text/plain")
        await client.send_to_user("ann", {"b": [2]})
        stream = io.BytesIO(b"\xff")
        await client.send_to_connection(one, stream, content_type="application/octet-stream")
        await client.send_to_connection("nobody", "lost")
    frames = [await receive(socket) for _ in range(3)]
    assert {frame["from"] for frame in frames} == {"server"}
    assert [(frame["dataType"], frame["data"]) for frame in frames] == [
        ("text", "text"),
        ("json", {"b": [2]}),
        ("binary", "/w=="),
    ]


async def test_closing_with_the_official_client(emulator: Emulator, clients: Clients) -> None:
    """A closed connection hears the reason and exists no more, nor does its user."""
    socket, one = await opened(emulator, clients, user_id="ann")
    async with service(emulator) as client:
        assert await client.connection_exists(one)
        assert await client.user_exists("ann")
        await client.close_connection(one, reason="late")
        message = (await receive(socket))["message"]
        assert message == "Application server closed the connection. Reason: late"
        assert await closing(socket) == (1000, "")
        assert not await client.connection_exists(one)
        assert not await client.user_exists("ann")
        await client.close_connection(one)


async def test_pages_with_the_official_client(emulator: Emulator, clients: Clients) -> None:
    """Pages follow each other to the end, or to `top`; each link is signed by itself."""
    for _ in range(5):
        await opened(emulator, clients, groups=["g"])
    client = SyncServiceClient.from_connection_string(emulator.connection_string, "chat")

    def pages(**limits: int) -> list[int]:
        return [len(list(page)) for page in client.list_connections(group="g", **limits).by_page()]

    with client:
        assert await asyncio.to_thread(pages, maxpagesize=2) == [2, 2, 1]
        assert await asyncio.to_thread(pages, maxpagesize=2, top=3) == [2, 1]
        assert await asyncio.to_thread(pages, top=5) == [5]


CHAT = "/api/hubs/chat"
BAD, MISSING = "Error.BadRequest", "Error.NotImplemented"
NO_USER, BAD_TYPE = "Warning.User.NotExisted", "Error.UnsupportedMediaType"
ANONYMOUS: dict[str, Any] = {"headers": {}}


def text(body: str, content_type: str = "text/plain") -> dict[str, Any]:
    """Options of a call that sends this body."""
    return {"data": body.encode(), "headers": bearer() | {"Content-Type": content_type}}


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("HEAD", "/api/health", ANONYMOUS, 200, None),
        ("GET", "/api/nothing", {}, 404, "Error.NotFound"),
        ("POST", "/api/hubs/a-b/:send", {}, 400, BAD),
        ("POST", CHAT + "/groups/%20/:send", {}, 400, BAD),
        ("HEAD", CHAT + "/connections/%20", {}, 400, BAD),
        ("HEAD", CHAT + "/users/u?api-version=2021-10-01", {}, 404, NO_USER),
        ("HEAD", CHAT + "/users/u?api-version=2020-01-01", {}, 400, BAD),
        ("HEAD", CHAT + "/users/u", ANONYMOUS, 401, "Error.Unauthorized"),
        ("POST", CHAT + "/:send", text("x"), 202, None),
        ("POST", CHAT + "/:send", text("x" * 2**20), 202, None),
        ("POST", CHAT + "/:send", text("x" * (2**20 + 1)), 400, BAD),
        ("POST", CHAT + "/:send", text("{", "application/json"), 400, BAD),
        ("POST", CHAT + "/:send", text("x", "text/xml"), 415, BAD_TYPE),
        ("POST", CHAT + "/:send?messageTtlSeconds=301", text("x"), 400, BAD),
        ("POST", CHAT + "/:generateToken?minutesToExpire=0", {}, 400, BAD),
        ("POST", CHAT + "/:generateToken?clientType=mqtt", {}, 501, MISSING),
        ("GET", CHAT + "/groups/g/connections?maxpagesize=201", {}, 400, BAD),
        ("GET", CHAT + "/groups/g/connections?top=1&top=2", {}, 400, BAD),
        ("GET", CHAT + "/groups/g/connections?continuationToken=x", {}, 400, BAD),
    ],
)
# aiohttp's client warns of bodies over 1 MiB.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_answers_of_the_data_plane(
    emulator: Emulator,
    clients: Clients,
    method: str,
    path: str,
    options: dict[str, Any],
    status: int,
    code: str | None,
) -> None:
    """Statuses and error codes; versions are told with successes and with what is not found."""
    call = {"headers": bearer()} | options
    async with clients.session.request(method, emulator.endpoint + path, **call) as response:
        assert (response.status, response.headers.get("x-ms-error-code")) == (status, code)
        assert ("api-supported-versions" in response.headers) is (status in (200, 202, 404))


async def test_chunks_need_a_length(emulator: Emulator, clients: Clients) -> None:
    """A body without Content-Length is refused."""

    async def chunks() -> Any:
        yield b"x"

    url = f"{emulator.endpoint}/api/hubs/chat/:send"
    async with clients.session.post(url, headers=bearer(), data=chunks()) as response:
        assert (response.status, (await response.json())["message"]) == (
            400,
            "Invalid Content-Length header.",
        )


@pytest.mark.parametrize("signed", ["a%2Fb", "a/b", "a%252Fb"])
async def test_spellings_of_a_signed_path(
    emulator: Emulator, clients: Clients, signed: str
) -> None:
    """A token for the path as sent, decoded, or as the service reads it opens the call."""
    url = f"{emulator.endpoint}/api/hubs/chat/groups/"
    claims = {"aud": f"{url}{signed}/:send", "exp": 9_999_999_999}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, ACCESS_KEY, 'HS256')}"}
    call = URL(f"{url}a%2Fb/:send", encoded=True)
    async with clients.session.post(call, headers=headers, data=b"x") as response:
        assert response.status == 202


async def test_generated_tokens_let_clients_in(emulator: Emulator, clients: Clients) -> None:
    """A token from :generateToken has its user, roles and groups in the service's form."""
    query = [("userId", "ann"), ("role", ANY_GROUP[0]), ("group", "a"), ("group", "b")]
    url = f"{emulator.endpoint}/api/hubs/Chat/:generateToken"
    async with clients.session.post(url, headers=bearer(), params=query) as response:
        token = (await response.json())["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["aud"] == f"{emulator.endpoint}/client/hubs/chat"
    assert (claims["role"], claims["webpubsub.group"]) == (ANY_GROUP[0], ["a", "b"])
    client = f"{emulator.endpoint}/client/?hub=chat&access_token={token}"
    socket = await clients.connect(client, protocols=[JSON])
    assert (await receive(socket))["userId"] == "ann"
    async with service(emulator) as rest:
        assert await rest.group_exists("b")


async def test_an_encoded_slash_names_another_group(emulator: Emulator, clients: Clients) -> None:
    """The service does not decode %2F: what a token calls a/b, a REST call cannot reach."""
    _, one = await opened(emulator, clients, user_id="ann", groups=["a/b"])
    _, two = await opened(emulator, clients, user_id="bob", groups=["a%2Fb"])
    async with service(emulator) as client:
        members = [member async for member in client.list_connections(group="a/b")]
        assert [member.connection_id for member in members] == [two]
        assert two != one


# --- clients -----------------------------------------------------------------------------


async def test_the_official_reliable_client(emulator: Emulator) -> None:
    """The official client joins, publishes, gets its echo with a sequence id, and is refused."""
    roles = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup.g"]
    url = await client_url(emulator, user_id="ann", roles=roles)
    client = AsyncWebPubSubClient(url, ack_timeout=2, message_retry_total=0)
    echoes: asyncio.Queue[Any] = asyncio.Queue()

    async def on_message(echo: Any) -> None:
        echoes.put_nowait((echo.group, echo.from_user_id, echo.data, echo.sequence_id))

    await client.subscribe(CallbackType.GROUP_MESSAGE, on_message)
    async with client:
        await client.join_group("g")
        for number in (1, 2):
            await client.send_to_group("g", {"a": number}, WebPubSubDataType.JSON)
            assert await asyncio.wait_for(echoes.get(), 5) == ("g", "ann", {"a": number}, number)
        with pytest.raises(SendMessageError) as caught:
            await client.send_to_group("other", "x", WebPubSubDataType.TEXT)
    assert caught.value.error_detail is not None
    assert caught.value.error_detail.name == "Forbidden"


async def test_the_official_json_client(emulator: Emulator, app: App) -> None:
    """The official client's event reaches the app, and the app's answer the client."""
    app.scripts["greet"] = [web.json_response({"hello": "ann"})]
    url = await client_url(emulator, user_id="ann")
    client = AsyncWebPubSubClient(
        url, protocol_type=WebPubSubProtocolType.JSON, ack_timeout=2, auto_reconnect=False
    )
    answers: asyncio.Queue[Any] = asyncio.Queue()

    async def on_message(message: Any) -> None:
        answers.put_nowait((message.data, message.sequence_id))

    await client.subscribe(CallbackType.SERVER_MESSAGE, on_message)
    async with client:
        await client.send_event("greet", "hi", WebPubSubDataType.TEXT)
        assert await asyncio.wait_for(answers.get(), 5) == ({"hello": "ann"}, None)
    assert (app.last("greet").body, app.last("greet").headers["content-type"]) == (
        b"hi",
        "text/plain",
    )


@pytest.mark.parametrize(
    ("path", "claims", "status"),
    [
        ("/client/hubs/chat", None, 401),
        ("/client/hubs/chat", {"aud": "https://webpubsub.azure.com"}, 401),
        ("/client/hubs/other", {}, 401),
        ("/client/hubs/a-b", {}, 400),
        ("/client/hubs/chat/more", {}, 404),
        ("/clients/mqtt/hubs/chat", {}, 404),
        ("/client?hub=chat&webpubsub_mode=other", {}, 400),
        ("/client?hub=chat&webpubsub_mode=SendToGroup", {}, 400),
        ("/client/hubs/chat", {"webpubsub.group": ["g", " "]}, 400),
    ],
)
async def test_handshakes_that_fail(
    emulator: Emulator, clients: Clients, path: str, claims: dict[str, Any] | None, status: int
) -> None:
    """A client that may not come in gets a status instead of a WebSocket."""
    fields = {"aud": f"{emulator.endpoint}/client/hubs/chat", "exp": 9_999_999_999} | (claims or {})
    token = jwt.encode(fields, ACCESS_KEY, "HS256")
    headers = {} if claims is None else {"Authorization": f"Bearer {token}"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await clients.connect(emulator.endpoint + path, headers=headers)
    assert caught.value.status == status


async def test_plain_requests_are_no_handshakes(emulator: Emulator, clients: Clients) -> None:
    """A GET without an upgrade is a bad request."""
    async with clients.session.get(await client_url(emulator)) as response:
        assert response.status == 400


async def test_a_simple_client(emulator: Emulator, clients: Clients, app: App) -> None:
    """Each frame is the event "message", the answer comes bare, a failure ends the connection."""
    app.scripts["message"] = [
        web.Response(text="pong"),
        web.Response(body=b"\xff"),
        web.Response(status=400),
    ]
    socket = await clients.connect(await client_url(emulator, user_id="ann"))
    assert socket.protocol is None
    await socket.send_str("ping")
    assert await socket.receive_str(timeout=5) == "pong"
    assert app.last("message").headers["content-type"] == "text/plain"
    await socket.send_bytes(b"\x00")
    assert await socket.receive_bytes(timeout=5) == b"\xff"
    assert app.last("message").headers["content-type"] == "application/octet-stream"
    await socket.send_str("fail")
    assert await closing(socket) == (1011, "Internal server error")


async def test_events_need_a_handler(emulator: Emulator, clients: Clients) -> None:
    """Without an event handler clients come in, and their events fail."""
    socket, _ = await opened(emulator, clients)
    await socket.send_json({"type": "event", "event": "e", "data": 1, "ackId": 1})
    assert (await receive(socket))["error"]["name"] == "InternalServerError"
    await socket.send_json({"type": "ping"})
    assert await receive(socket) == {"type": "pong"}


@pytest.mark.parametrize(
    ("send", "code"),
    [
        (lambda socket: socket.send_str("nonsense"), 1007),
        (lambda socket: socket.send_bytes(b"{}"), 1003),
        (lambda socket: socket.send_str("x" * (2**20 + 1)), 1009),
    ],
)
async def test_violations(emulator: Emulator, clients: Clients, send: Any, code: int) -> None:
    """A client that breaks the protocol is closed with the code for it; others are not."""
    bad, bad_id = await opened(emulator, clients)
    good, _ = await opened(emulator, clients)
    await send(bad)
    assert (await closing(bad))[0] == code
    await good.send_json({"type": "ping"})
    assert await receive(good) == {"type": "pong"}
    async with service(emulator) as client:
        assert not await client.connection_exists(bad_id)


async def test_the_largest_message(emulator: Emulator, clients: Clients, app: App) -> None:
    """A frame of exactly 1 MiB goes through."""
    socket = await clients.connect(await client_url(emulator), max_msg_size=0)
    app.scripts["message"] = [web.Response(text="got it")]
    await socket.send_str("x" * 2**20)
    assert await socket.receive_str(timeout=5) == "got it"


# --- events ------------------------------------------------------------------------------


async def test_the_events_of_a_life(emulator: Emulator, clients: Clients, app: App) -> None:
    """connect, connected, a user event and disconnected come in order, with id and state."""
    app.scripts["connect"] = [
        web.json_response(
            {"userId": "bob", "groups": ["g"], "roles": ANY_GROUP},
            headers={"ce-connectionState": "one"},
        )
    ]
    app.scripts["e"] = [web.Response(status=204, headers={"ce-connectionState": ""})]
    url = await client_url(emulator, user_id="ann") + "&k=1&k=2"
    headers = {"X-Mine": "x", "Authorization": "Bearer not looked at"}
    socket = await clients.connect(url, protocols=["mine", JSON], headers=headers)
    connected = await receive(socket)
    assert (socket.protocol, connected["userId"]) == (JSON, "bob")
    await socket.send_json({"type": "event", "event": "e", "data": {"a": 1.50}})
    await app.wait_for("connect", "connected", "e")
    await socket.close(code=1000, message=b"done")
    await app.wait_for("connect", "connected", "e", "disconnected")

    events = [one for one in app.received if one.method == "POST"]
    names = ("ce-id", "ce-userid", "ce-connectionstate", "ce-subprotocol")
    assert [tuple(one.headers.get(name) for name in names) for one in events] == [
        ("0", "ann", None, None),
        ("1", "bob", "one", JSON),
        ("2", "bob", "one", JSON),
        ("3", "bob", "", JSON),
    ]
    assert {one.headers["ce-connectionid"] for one in events} == {connected["connectionId"]}
    assert events[0].path == "/hooks/chat/connect?code=c0de"
    assert [one.body for one in events[1:]] == [b"{}", b'{"a": 1.5}', b'{"reason": "done"}']
    asked = json.loads(events[0].body)
    assert (asked["claims"]["sub"], asked["query"]) == (["ann"], {"k": ["1", "2"]})
    assert (asked["headers"]["X-Mine"], asked["subprotocols"]) == (["x"], ["mine", JSON])
    assert "Authorization" not in asked["headers"]
    assert asked["clientCertificates"] == []


async def test_validation_comes_first_and_once(
    emulator: Emulator, clients: Clients, app: App
) -> None:
    """Before the first event the app is asked by OPTIONS, for all events of the next minute."""
    await asyncio.gather(opened(emulator, clients), opened(emulator, clients))
    assert [one.method for one in app.received].count("OPTIONS") == 1
    first = app.received[0]
    assert (first.method, first.path) == ("OPTIONS", "/hooks/chat/validate?code=c0de")
    assert first.headers["webhook-request-origin"] == "127.0.0.1"
    assert "ce-signature" not in first.headers


@pytest.mark.parametrize(
    ("status", "methods", "refused"),
    [(404, ["OPTIONS", "GET"], False), (405, ["OPTIONS"], True), (400, ["OPTIONS"], True)],
)
async def test_validation_by_get(
    emulator: Emulator, clients: Clients, app: App, status: int, methods: list[str], refused: bool
) -> None:
    """Only after a 404 the app is asked by GET; an app that does not agree gets no events."""
    app.options_status = status
    if refused:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await opened(emulator, clients)
        assert caught.value.status == 500
        assert app.events == []
    else:
        await opened(emulator, clients)
    assert [one.method for one in app.received if one.method != "POST"] == methods


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (web.Response(status=401, text="secret"), 401),
        (web.Response(status=429), 429),
        (web.Response(status=307, headers={"Location": "/hooks/chat/elsewhere"}), 307),
        (web.Response(status=200, text="nonsense"), 500),
        (web.json_response({"subprotocol": "not offered"}), 500),
    ],
)
async def test_the_app_refuses_a_client(
    emulator: Emulator, clients: Clients, app: App, answer: web.Response, status: int
) -> None:
    """The app's status reaches the client, and no other event follows."""
    app.scripts["connect"] = [answer]
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await opened(emulator, clients, user_id="ann")
    assert caught.value.status == status
    async with service(emulator) as client:
        assert not await client.user_exists("ann")
    assert app.events == ["connect"]


async def test_the_official_client_is_refused(emulator: Emulator, app: App) -> None:
    """The official client sees a refusal as a failed opening."""
    app.scripts["connect"] = [web.Response(status=403)]
    client = WebPubSubClient(await client_url(emulator), auto_reconnect=False)
    with pytest.raises(OpenClientError, match="403"):
        await asyncio.to_thread(client.open)


async def test_events_are_tried_again(emulator: Emulator, clients: Clients, app: App) -> None:
    """Events are sent four times at most, with the same id each time; 4xx is final."""
    app.scripts["connect"] = [web.Response(status=503), web.Response(status=408)]
    app.scripts["e"] = [web.Response(status=500) for _ in range(4)] + [web.Response(status=429)]
    socket, _ = await opened(emulator, clients)
    await app.wait_for("connect", "connect", "connect", "connected")
    for ack_id in (1, 2):
        await socket.send_json({"type": "event", "event": "e", "data": 1, "ackId": ack_id})
        assert (await receive(socket))["error"]["name"] == "InternalServerError"
    tries = [(r.headers["ce-id"], r.headers["x-ms-client-request-id"]) for r in app.received
             if r.headers.get("ce-eventname") == "e"]  # fmt: skip
    assert [number for number, _ in tries] == ["2"] * 4 + ["3"]
    assert len(set(tries)) == 2


async def test_an_app_that_is_not_there(emulator: Emulator, clients: Clients) -> None:
    """Nobody listens at the event handler's URL: clients cannot come in."""
    emulator.add_event_handler("chat", "http://127.0.0.1:1/")
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await opened(emulator, clients)
    assert caught.value.status == 500


async def test_connected_sees_the_connection(
    emulator: Emulator, clients: Clients, app: App
) -> None:
    """When connected has come, REST calls can use the connection."""
    _, connection_id = await opened(emulator, clients)
    await app.wait_for("connect", "connected")
    async with service(emulator) as client:
        assert await client.connection_exists(connection_id)


async def test_a_client_that_vanishes(emulator: Emulator, clients: Clients, app: App) -> None:
    """A socket that dies without a close frame ends the connection, during an event, too."""
    socket, connection_id = await opened(emulator, clients)
    await socket.send_json({"type": "event", "event": "slow", "data": 1})
    await app.wait_for("connect", "connected", "slow")
    connection = socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.abort()
    await app.wait_for("connect", "connected", "slow", "disconnected")
    app.release.set()
    assert json.loads(app.last("disconnected").body) == {"reason": "The connection ended."}
    async with service(emulator) as client:
        assert not await client.connection_exists(connection_id)


async def test_a_client_that_leaves_during_connect(emulator: Emulator, app: App) -> None:
    """The app that accepted a client which has gone hears of its end, in order."""
    app.slow.add("connect")
    url = URL(await client_url(emulator))
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        f"GET {url.raw_path_qs} HTTP/1.1\r\nHost: {url.authority}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    await app.wait_for("connect")
    writer.transport.abort()
    app.release.set()
    await app.wait_for("connect", "connected", "disconnected")


async def test_templates_are_checked(emulator: Emulator) -> None:
    """A bad event handler is refused when it is added."""
    with pytest.raises(ValueError, match="not a hub name"):
        emulator.add_event_handler("a-b", "http://h/")
    with pytest.raises(ValueError, match="two parameters"):
        emulator.add_event_handler("chat", "http://h/{user}")
