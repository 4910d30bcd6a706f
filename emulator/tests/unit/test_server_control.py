"""Tests of server.py over sockets: the control endpoint."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, web

from unit.app import App
from unit.clients import Clients
from unit.samples import JSON, RELIABLE
from unit.test_server import closing, opened, receive, service
from unit.test_server_recovery import REFUSED, abort, reliable
from webpubsub_emulator.faults import Faults, parse_fault
from webpubsub_emulator.server import Emulator
from webpubsub_emulator.tokens import ACCESS_KEY

T = TypeVar("T")
GONE = (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """Yield an emulator with a control endpoint."""
    async with Emulator(retry_delays=(0.01,), control=True) as running:
        yield running


async def call(
    emulator: Emulator, clients: Clients, method: str, path: str, body: Any = None
) -> tuple[int, Any]:
    """Return status and JSON of a control call. An error must be a problem with the same status."""
    data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    url = f"{emulator.control_url}{path}"
    async with clients.session.request(
        method, url, data=None if body is None else data
    ) as response:
        text = await response.text()
        if response.status >= 400:
            assert response.content_type == "application/problem+json"
            assert json.loads(text)["status"] == response.status
        return response.status, json.loads(text) if text else None


async def state(emulator: Emulator, clients: Clients) -> Any:
    """Return the answer of GET /control/state."""
    status, view = await call(emulator, clients, "GET", "/state")
    assert status == 200
    return view


async def until(look: Callable[[], Awaitable[T]]) -> T:
    """Call `look` for up to 5 s until it finds something, and return that."""
    for _ in range(500):
        if found := await look():
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("nothing found")


async def ended(socket: ClientWebSocketResponse) -> int | None:
    """Return the close code at the end of a client (1006: no close frame)."""
    message = await socket.receive(timeout=60)
    assert message.type in GONE, message
    assert message.type is not WSMsgType.CLOSE, message
    return socket.close_code


# --- inspection --------------------------------------------------------------------------


async def test_the_inspection_needs_no_control(clients: Clients) -> None:
    """Hubs, groups and connections, and nothing of the control endpoint; no secret."""
    async with Emulator() as emulator:
        before = datetime.now(UTC).replace(microsecond=0)
        _, name = await opened(emulator, clients, user_id="ann", groups=["g"])
        async with clients.session.get(f"{emulator.endpoint}/inspection") as response:
            text = await response.text()
    view = json.loads(text)
    (connection,) = view["hubs"]["chat"]["connections"]
    assert (response.status, [*view]) == (200, ["hubs"])
    assert (connection["id"], connection["userId"], connection["groups"]) == (name, "ann", ["g"])
    at = datetime.strptime(connection["opened"], "%Y-%m-%dT%H:%M:%S%z")
    assert before <= at <= datetime.now(UTC)
    assert view["hubs"]["chat"]["groups"] == {"g": [name]}
    assert [secret for secret in (ACCESS_KEY, "eyJ") if secret in text] == []


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
async def test_the_inspection_only_reads(emulator: Emulator, clients: Clients, method: str) -> None:
    url = f"{emulator.endpoint}/inspection"
    async with clients.session.request(method, url) as response:
        assert response.status == 404


@pytest.mark.parametrize("path", ["/inspection", "/control/state"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8080"},
        {"Host": "[evil"},
    ],
)
async def test_no_web_page_can_look(
    emulator: Emulator, clients: Clients, path: str, headers: dict[str, str]
) -> None:
    """Neither a page of another origin, nor one whose host name points to this machine."""
    async with clients.session.get(f"{emulator.endpoint}{path}", headers=headers) as response:
        assert (response.status, "hubs" in await response.text()) == (403, False)


async def test_this_machine_has_two_names(emulator: Emulator, clients: Clients) -> None:
    port = emulator.endpoint.rpartition(":")[2]
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", "LOCALHOST"):
        url = f"{emulator.endpoint}/inspection"
        async with clients.session.get(url, headers={"Host": host}) as response:
            assert response.status == 200


# --- looking -----------------------------------------------------------------------------


async def test_it_is_off_by_default(clients: Clients) -> None:
    """Its paths are then unknown paths of the data plane."""
    async with Emulator() as emulator:
        assert emulator.control_url is None
        for method, path in (("GET", "state"), ("POST", "restart"), ("PUT", "faults")):
            url = f"{emulator.endpoint}/control/{path}"
            async with clients.session.request(method, url) as response:
                assert response.status == 404
                assert response.headers["x-ms-error-code"] == "Error.NotFound"


async def test_the_state(emulator: Emulator, clients: Clients, app: App) -> None:
    """Hubs, connections, groups, events and calls; no token, cookie, connection state or query."""
    app.scripts["connect"] = [
        web.json_response({}, headers={"ce-connectionState": "st4te", "Set-Cookie": "k=cr4mb"})
    ]
    _, name = await opened(emulator, clients, user_id="ann", groups=["g"])
    await app.wait_for("connect", "connected")
    async with service(emulator) as client:
        await client.close_connection("gone", reason="private")

    async def look() -> Any:
        seen = await state(emulator, clients)
        return seen if len(seen["events"]) == 2 else None

    view = await until(look)
    (connection,) = view["hubs"]["chat"]["connections"]
    assert (connection["id"], connection["userId"], connection["groups"]) == (name, "ann", ["g"])
    assert (connection["socket"], connection["hasState"]) == ("attached", True)
    assert view["hubs"]["chat"]["groups"] == {"g": [name]}
    events = [(e["connection"], e["name"], e["ceId"], e["status"]) for e in view["events"]]
    assert events == [(name, "connect", "0", 200), (name, "connected", "1", 204)]
    (handler,) = view["eventHandlers"]["chat"]
    assert handler["systemEvents"] == ["connect", "connected", "disconnected"]
    (rest,) = view["calls"]
    path = "/api/hubs/chat/connections/gone"
    assert (rest["method"], rest["path"], rest["status"]) == ("DELETE", path, 204)
    assert (view["seed"], view["faults"]) == (0, [])
    for secret in (ACCESS_KEY, "eyJ", "st4te", "cr4mb", "private", "c0de"):
        assert secret not in json.dumps(view)


async def test_a_connection_without_a_socket(emulator: Emulator, clients: Clients) -> None:
    """It is shown as waiting for recovery, and cannot be dropped."""
    socket, name, _ = await reliable(emulator, clients)
    abort(socket)

    async def is_waiting() -> bool:
        (connection,) = (await state(emulator, clients))["hubs"]["chat"]["connections"]
        return bool(connection["socket"] == "waiting for recovery")

    await until(is_waiting)
    assert (await call(emulator, clients, "POST", f"/connections/{name}/drop"))[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/"), ("GET", "/nothing"), ("POST", "/state"), ("GET", "/restart")],
)
async def test_unknown_calls(emulator: Emulator, clients: Clients, method: str, path: str) -> None:
    """The problem names the call, which does not reach the data plane."""
    status, problem = await call(emulator, clients, method, path)
    assert (status, problem["title"]) == (404, "Not Found")
    assert problem["detail"] == f"{method} /control{path} is not a call of the control endpoint."
    assert (await state(emulator, clients))["calls"] == []


async def test_event_handlers_are_cleared(emulator: Emulator, clients: Clients) -> None:
    """Only for one hub, whose clients are then accepted without an event."""
    emulator.add_event_handler("Chat", "http://127.0.0.1:9/nobody")
    emulator.add_event_handler("other", "http://127.0.0.1:9/nobody")
    emulator.clear_event_handlers("chat")
    assert list((await state(emulator, clients))["eventHandlers"]) == ["other"]
    await opened(emulator, clients, user_id="ann")


# --- faults ------------------------------------------------------------------------------


async def test_web_pages_are_refused(emulator: Emulator, clients: Clients) -> None:
    """A browser sends the page's origin with every POST; the call has no effect."""
    socket, name = await opened(emulator, clients)
    headers = {"Origin": "https://evil.example"}
    for path in ("restart", f"connections/{name}/drop"):
        url = f"{emulator.endpoint}/control/{path}"
        async with clients.session.post(url, headers=headers) as response:
            assert response.status == 403
    await socket.send_json({"type": "ping"})
    assert (await socket.receive_json(timeout=60))["type"] == "pong"


async def test_faults_are_read_replaced_and_removed(emulator: Emulator, clients: Clients) -> None:
    """All at once; the seed stays unless one is given."""
    faults = [{"fault": "rest-slow:ms=1,rate=1.0", "happened": 0}]
    steps = [
        ("PUT", {"seed": 7, "faults": ["rest-slow:ms=1"]}, {"seed": 7, "faults": faults}),
        ("PUT", ["rest-slow:ms=1"], {"seed": 7, "faults": faults}),
        ("GET", None, {"seed": 7, "faults": faults}),
        ("DELETE", None, None),
        ("GET", None, {"seed": 7, "faults": []}),
    ]
    for method, body, expected in steps:
        status, answer = await call(emulator, clients, method, "/faults", body)
        assert (status, answer) == (204 if method == "DELETE" else 200, expected)


async def test_a_fault_that_needs_the_past(emulator: Emulator, clients: Clients) -> None:
    """It is remembered from the call on, until a restart."""
    _, name = await opened(emulator, clients, groups=["g"])
    fault = "stale-list:ms=600000,calls=0,rate=1.0"
    await call(emulator, clients, "PUT", "/faults", [fault])
    await opened(emulator, clients, groups=["g"])
    async with service(emulator) as client:
        await client.remove_connection_from_group("g", name)
        assert [one.connection_id async for one in client.list_connections(group="g")] == [name]
        await call(emulator, clients, "POST", "/restart")
        assert [one async for one in client.list_connections(group="g")] == []
    faults = (await call(emulator, clients, "GET", "/faults"))[1]["faults"]
    assert faults == [{"fault": fault, "happened": 2}]


@pytest.mark.parametrize(
    ("body", "explanation"),
    [
        (["rest-slow", "rest-eror"], "fault 'rest-eror': there is no such fault"),
        ({"faults": ["rest-slow:ms=x"]}, "fault 'rest-slow:ms=x': ms must be"),
        ({"seed": "1", "faults": []}, "The seed must be a whole number."),
        ({"seed": 1}, "The body must be"),
        ({"faults": [], "other": 1}, "The body must be"),
        ([1], "The body must be"),
        (b"", "The body must be"),
        (b"\xff", "The body must be"),
        (b"[" * 100_000, "The body must be"),
    ],
)
async def test_bad_faults(
    emulator: Emulator, clients: Clients, body: Any, explanation: str
) -> None:
    """The problem names the fault, and nothing changes."""
    before = await call(emulator, clients, "PUT", "/faults", {"seed": 3, "faults": ["event-lost"]})
    status, problem = await call(emulator, clients, "PUT", "/faults", body)
    assert (status, explanation in problem["detail"]) == (400, True)
    assert await call(emulator, clients, "GET", "/faults") == before


async def test_faults_from_the_start(clients: Clients) -> None:
    """Faults of the constructor are shown and counted."""
    faults = Faults([parse_fault("late-visibility:ms=0")], 9)
    async with Emulator(faults=faults, control=True) as emulator:
        await opened(emulator, clients)
        expected = [{"fault": "late-visibility:ms=0", "happened": 1}]
        assert (await call(emulator, clients, "GET", "/faults"))[1] == {
            "seed": 9,
            "faults": expected,
        }


async def test_a_body_that_is_too_long(emulator: Emulator, clients: Clients) -> None:
    status, _ = await call(emulator, clients, "PUT", "/faults", b" " * 2_000_000)
    assert status == 413


# --- drops and restarts ------------------------------------------------------------------


async def test_a_drop(emulator: Emulator, clients: Clients, app: App) -> None:
    """There is no close frame, other sockets stay, and the app gets disconnected."""
    socket, name = await opened(emulator, clients)
    other, _ = await opened(emulator, clients)
    assert await call(emulator, clients, "POST", f"/connections/{name}/drop") == (204, None)
    assert await ended(socket) == 1006
    await other.send_json({"type": "ping"})
    assert await receive(other) == {"type": "pong"}
    await app.wait_for("connect", "connected", "connect", "connected", "disconnected")
    assert (await call(emulator, clients, "POST", f"/connections/{name}/drop"))[0] == 404


async def test_a_reliable_client_recovers_from_a_drop(
    emulator: Emulator, clients: Clients, app: App
) -> None:
    socket, name, url = await reliable(emulator, clients)
    await call(emulator, clients, "POST", f"/connections/{name}/drop")
    assert await ended(socket) == 1006
    again = await clients.connect(url, protocols=[RELIABLE])
    await again.send_json({"type": "ping"})
    assert await receive(again) == {"type": "pong"}
    assert app.events == ["connect", "connected"]


async def test_a_restart(emulator: Emulator, clients: Clients, app: App) -> None:
    """Sockets, connections, groups and recoverable connections are gone, without any event."""
    plain, _ = await opened(emulator, clients, groups=["g"])
    socket, name, url = await reliable(emulator, clients, groups=["g"])
    lost, lost_name, _ = await reliable(emulator, clients)
    abort(lost)
    await call(emulator, clients, "PUT", "/faults", ["rest-slow:ms=0"])
    await app.wait_for(*["connect", "connected"] * 3)
    assert await call(emulator, clients, "POST", "/restart") == (204, None)
    assert [await ended(plain), await ended(socket)] == [1006, 1006]
    view = await state(emulator, clients)
    assert view["hubs"] == {"chat": {"connections": [], "groups": {}}}
    assert [fault["fault"] for fault in view["faults"]] == ["rest-slow:ms=0,rate=1.0"]
    assert await closing(await clients.connect(url, protocols=[JSON])) == REFUSED
    async with service(emulator) as client:
        for gone in (name, lost_name):
            assert not await client.connection_exists(gone)
    # Event handlers stay, and clients can connect again.
    await opened(emulator, clients)
    await app.wait_for(*["connect", "connected"] * 4)


async def test_a_restart_while_the_app_is_asked(
    emulator: Emulator, clients: Clients, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """The user event and the frames behind it are dropped."""
    socket, _ = await opened(emulator, clients)
    for number in range(20):
        await socket.send_json(
            {"type": "event", "event": "slow", "ackId": number + 1, "dataType": "text", "data": ""}
        )
    await app.wait_for("connect", "connected", "slow")
    await call(emulator, clients, "POST", "/restart")
    assert await ended(socket) == 1006
    app.release.set()
    await opened(emulator, clients)
    await app.wait_for("connect", "connected", "slow", "connect", "connected")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
