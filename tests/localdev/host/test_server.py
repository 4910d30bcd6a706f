"""server.py: the whole host over HTTP, with the real runtime, in its own process."""

import asyncio
import hashlib
import hmac
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
import pytest
from yarl import URL

from localdev.host.states import decode_states, encode_states
from tests.localdev.host.conftest import RunningHost, run_app, start_host
from tests.localdev.host.serve import KEYS

WEBHOOK = "/runtime/webhooks/webpubsub"
ORIGIN = "WebHook-Request-Origin"
HEADER = "X-Functions-Key"
SIGNATURE = "sha256=" + hmac.new(b"sample-key", b"c-1", hashlib.sha256).hexdigest()
PREFIX = {"connect": "sys", "connected": "sys", "disconnected": "sys"}
CONNECT: dict[str, Any] = {
    "claims": {},
    "query": {},
    "headers": {},
    "subprotocols": [],
    "clientCertificates": [],
}
BODIES = {"connect": json.dumps(CONNECT), "disconnected": '{"reason": null}'}
ALL_NULL = '{"userId":null,"groups":null,"subprotocol":null,"roles":null}'


class Reply:
    """A complete response."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = body.decode()
        self.facts = (self.status, self.headers.get("Content-Type"), self.text)


async def send(
    host: RunningHost, method: str, path: str, headers: Any = None, body: Any = None
) -> Reply:
    """Send one request with these headers and the headers that the client adds."""
    url = URL(host.address + path, encoded=True)
    async with (
        aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session,
        session.request(method, url, headers=headers, data=body) as response,
    ):
        return Reply(response, await response.read())


async def send_event(
    host: RunningHost,
    name: str,
    case: str = "none",
    changes: Mapping[str, str | None] | None = None,
    *,
    method: str = "POST",
    body: Any = None,
) -> Reply:
    """Send an event as the service does; the case selects what the sample app does."""
    headers: dict[str, str | None] = {
        ORIGIN: "localhost",
        "ce-type": f"azure.webpubsub.{PREFIX.get(name, 'user')}.{name}",
        "ce-eventName": name,
        "ce-hub": "chat",
        "ce-connectionId": "c-1",
        "ce-userId": case,
        "ce-signature": SIGNATURE,
        "Content-Type": "text/plain",
        **(changes or {}),
    }
    sent = {key: value for key, value in headers.items() if value is not None}
    content = BODIES.get(name, "hi") if body is None else body
    return await send(host, method, WEBHOOK, sent, content)


async def test_http_function(host: RunningHost) -> None:
    """A function gets the request as in Azure, and its response is sent unchanged."""
    target = "/things/ECHO/blue%20room?a=1&A=2&b="
    reply = await send(host, "POST", target, {"X-Sample": "yes"}, "body")
    assert (reply.status, reply.headers["Content-Type"]) == (201, "application/json")
    assert json.loads(reply.text) == {
        "method": "POST",
        "url": host.address + target,
        "route": {"room": "blue room"},
        "query": {"A": "1,2"},
        "header": "yes",
        "body": "body",
    }


async def test_a_body_in_chunks_does_not_reach_a_function(host: RunningHost) -> None:
    """As in Azure, the function sees the header and no body (azure-functions-host, issue 4926)."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"body"

    reply = await send(host, "POST", "/things/echo/blue?show=transfer-encoding", body=chunks())
    assert json.loads(reply.text)["header"] == "chunked"
    assert json.loads(reply.text)["body"] == ""


async def test_an_event_in_chunks_reaches_its_function(host: RunningHost) -> None:
    """The webhook does not depend on a length."""

    async def chunks() -> AsyncIterator[bytes]:
        yield BODIES["connect"].encode()

    assert (await send_event(host, "connect", "connect", body=chunks())).status == 200


async def test_line_breaks_in_a_path(host: RunningHost) -> None:
    """They are part of a parameter, like any other character."""
    reply = await send(host, "GET", "/things/echo/blue%0Aroom")
    assert json.loads(reply.text)["route"] == {"room": "blue\nroom"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/things/none"),
        ("GET", "/api/text"),
        ("DELETE", "/things/echo/blue"),
        ("HEAD", "/things/cookies"),
        ("OPTIONS", "/things/cookies"),
        ("POST", "/runtime/webhooks/other"),
        ("GET", "//things/text"),
        ("GET", "/things//text"),
        ("POST", "/runtime//webhooks/webpubsub"),
        ("POST", "/runtime/webhooks"),
        ("GET", "/admin/host/status"),
    ],
)
async def test_no_such_route(host: RunningHost, method: str, path: str) -> None:
    """Without a function for the method and the path the response is 404 and empty."""
    assert (await send(host, method, path)).facts == (404, None, "")


async def test_pages_of_the_host(host: RunningHost) -> None:
    """`/` is a page, and `/admin/host/ping` shows that the host runs."""
    page = await send(host, "GET", "/")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html")
    assert "<a" not in page.text  # only `dev.py up` has an app's page to link to
    assert (await send(host, "GET", "/admin/host/ping")).facts == (200, None, "")


async def test_disabled_functions(host: RunningHost) -> None:
    """They get neither requests nor events, and hide later functions; the log says why."""
    assert (await send(host, "GET", "/things/switched_off")).status == 404
    assert (await send_event(host, "switched_off")).status == 404
    for name in ("switched_off", "event_switched_off"):
        assert f"{name} does not run: an app setting disables it" in host.log_text()


async def test_text_function(host: RunningHost) -> None:
    """A function may return plain text, and can read the values of local.settings.json."""
    reply = await send(host, "PUT", "/things/text")
    assert reply.facts == (200, "text/plain; charset=utf-8", "file")


async def test_cookies(host: RunningHost) -> None:
    """Every cookie has its own header."""
    reply = await send(host, "GET", "/things/cookies")
    cookies = ["a=1; domain=; path=/; httponly", "b=2; domain=; path="]
    assert reply.headers.getall("Set-Cookie") == cookies


@pytest.mark.parametrize("name", ["boom", "nothing"])
async def test_http_failure(host: RunningHost, name: str) -> None:
    """The response of a function that fails is 500 with an empty body."""
    assert (await send(host, "GET", f"/things/{name}")).facts == (500, None, "")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["GET /things/text HTTP/1.1", "Host: a", f"X: {'a' * 20_000}"], 200),
        (["GET /things/text HTTP/1.1", "Host: a", f"X: {'a' * 32_768}"], 431),
        (["GET /things/text HTTP/1.1", "Host: a", f"X: {'a' * 200_000}"], 431),
        (["GET /things/text HTTP/1.1", "Host: a", *(f"X-{n}: 1" for n in range(100))], 431),
        ([f"GET /things/text?{'a' * 8_150} HTTP/1.1", "Host: a"], 200),
        ([f"GET /things/text?{'a' * 8_200} HTTP/1.1", "Host: a"], 414),
        ([f"GET /things/text?{'a' * 200_000} HTTP/1.1", "Host: a"], 414),
        (["GET /things/text HTTP/1.1", "Host: a", "X: \xff"], 400),
        (["GET /things/text HTTP/1.1", "Host: a", "X: \xc3\xa4"], 200),
        (["GET /things/text HTTP/1.1"], 400),
        (["GET /things/text HTTP/1.1", "Host:"], 400),
        (["GET /things/text%00 HTTP/1.1", "Host: a"], 400),
        (["GET /things/text?\xc3\xa4 HTTP/1.1", "Host: a"], 400),
        (["no HTTP"], 400),
    ],
)
async def test_limits(host: RunningHost, lines: list[str], status: int) -> None:
    """Kestrel's limits; a rejection has no body."""
    close = ["Connection: close"] if status == 200 else []
    received = await exchange(host, "\r\n".join([*lines, *close, "", ""]).encode("latin-1"))
    assert int(received.split()[1]) == status
    assert status == 200 or received.endswith(b"\r\n\r\n")


async def test_body_limit(host: RunningHost) -> None:
    """A body over 100 MiB is rejected before it is sent, and the connection closes."""
    length = 100 * 1024 * 1024 + 1
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(host.address).port)
    try:
        head = f"POST /things/text HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
        writer.write(head.encode())
        received = await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
    assert received.split()[1] == b"500"
    assert b"\r\nConnection: close\r\n" in received


async def exchange(host: RunningHost, data: bytes) -> bytes:
    """Send bytes, and return all that comes until the host closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(host.address).port)
    try:
        writer.write(data)
        return await reader.read()
    finally:
        writer.close()


async def test_a_compressed_body_arrives_as_sent(host: RunningHost) -> None:
    """Neither the host nor the worker decompresses it."""
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
    reply = await send(host, "POST", "/things/echo/blue", headers, b"no gzip at all")
    assert json.loads(reply.text)["body"] == "no gzip at all"


async def test_expect_continue(host: RunningHost) -> None:
    """A client that waits for the interim response gets it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(host.address).port)
    try:
        head = "POST /things/echo/blue HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
        writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        assert (await reader.readline()).split()[1] == b"201"
    finally:
        writer.close()


async def test_cors(host: RunningHost) -> None:
    """Functions, pages and the webhook have CORS headers for an allowed origin."""
    headers = {"Origin": "http://page.example", "Access-Control-Request-Method": "POST"}
    preflight = await send(host, "OPTIONS", "/things/text", headers)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Methods"] == "POST"
    for path in ("/things/text", "/things/none", "/", WEBHOOK):
        answer = await send(host, "GET", path, headers)
        assert answer.headers["Access-Control-Allow-Origin"] == "http://page.example"
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["Vary"] == "Origin"
    webhook = await send(host, "OPTIONS", WEBHOOK, {**headers, ORIGIN: "localhost"})
    assert (webhook.status, webhook.headers.get("WebHook-Allowed-Origin")) == (204, None)


@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
@pytest.mark.parametrize(
    ("origin", "status"), [("localhost", 200), ("no, localhost", 200), ("no", 400), (None, 500)]
)
async def test_validation(host: RunningHost, method: str, origin: str | None, status: int) -> None:
    """A known origin is accepted, another rejected; without an origin the extension fails."""
    reply = await send(host, method, WEBHOOK, origin and {ORIGIN: origin})
    assert reply.facts == (status, None, "")
    assert reply.headers.get("WebHook-Allowed-Origin") == ("*" if status == 200 else None)


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "TRACE"])
async def test_webhook_methods(host: RunningHost, keyed_host: RunningHost, method: str) -> None:
    """For other methods there is no webhook, also without a key."""
    assert (await send(host, method, WEBHOOK)).status == 404
    assert (await send(keyed_host, method, WEBHOOK)).status == 404


async def test_webhook_path(host: RunningHost) -> None:
    """The webhook's path is case-insensitive, and the part after the extension is ignored."""
    for path in ("/Runtime/Webhooks/WebPubSub", f"{WEBHOOK}/", f"{WEBHOOK}/more/x?code=x"):
        assert (await send(host, "OPTIONS", path, {ORIGIN: "localhost"})).status == 200


@pytest.mark.parametrize("name", ["connect", "connected", "disconnected", "message"])
@pytest.mark.parametrize(
    ("changes", "method", "status"),
    [
        ({"ce-connectionId": None}, "POST", 400),
        ({"ce-hub": None}, "POST", 400),
        ({"ce-type": None}, "POST", 400),
        ({"ce-eventName": None}, "POST", 400),
        ({ORIGIN: None}, "POST", 400),
        ({"ce-connectionState": "no base64"}, "POST", 400),
        ({"ce-hub": "other", "ce-signature": None}, "POST", 404),
        ({"ce-eventName": "other", "ce-signature": None}, "POST", 404),
        ({"ce-signature": None}, "POST", 401),
        ({"ce-signature": "sha256=00"}, "PUT", 401),
        ({ORIGIN: "other"}, "POST", 401),
        ({}, "PUT", 400),
        ({}, "DELETE", 400),
        ({"CE-HUB": "Chat", "ce-hub": None}, "POST", 200),
        ({"ce-signature": f"sha256=00,{SIGNATURE.upper()}"}, "POST", 200),
    ],
)
async def test_checks(
    host: RunningHost, name: str, changes: dict[str, str | None], method: str, status: int
) -> None:
    """Every event has the same checks; a rejection has no body."""
    reply = await send_event(host, name, "none", changes, method=method)
    assert reply.facts == (status, None, "")


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("connect", "no JSON", 500),
        ("connect", json.dumps({key: {} for key in CONNECT if key != "claims"}), 500),
        ("disconnected", "{}", 500),
        ("connected", "no JSON", 200),
    ],
)
async def test_bodies(host: RunningHost, name: str, body: str, status: int) -> None:
    """The extension fails on a body that it cannot read; it does not read the body of connected."""
    assert (await send_event(host, name, body=body)).facts == (status, None, "")


async def test_content_types(host: RunningHost) -> None:
    """User events need one of three media types; system events ignore it."""
    refused = await send_event(host, "message", changes={"Content-Type": "text/html; a=b"})
    text = "Message data only supports text, binary, json. Current value is: text/html"
    assert refused.facts == (400, "text/plain; charset=utf-8", text)
    missing = await send_event(host, "message", changes={"Content-Type": None})
    assert missing.facts == (500, None, "")
    ignored = await send_event(host, "connect", changes={"Content-Type": "text/html"})
    assert ignored.status == 200


@pytest.mark.parametrize("name", ["connected", "disconnected"])
@pytest.mark.parametrize(
    "case",
    [
        "connect",
        "none",
        "valid-json-text",
        "bytes",
        "number",
        "list",
        "set",
        "set-inside",
        "refuse",
        "raise",
    ],
)
async def test_outcome_of_other_events(host: RunningHost, name: str, case: str) -> None:
    """The response to an event that does not block is always 200 and empty."""
    assert (await send_event(host, name, case)).facts == (200, None, "")


@pytest.mark.parametrize("name", ["connect", "message"])
@pytest.mark.parametrize(
    ("case", "facts"),
    [
        ("none", (200, None, "")),
        ("valid-json-text", (200, None, "")),
        ("bytes", (200, None, "")),
        ("number", (200, None, "")),
        ("list", (500, "text/plain; charset=utf-8", "Response should be a JObject.")),
        ("refuse", (401, "text/plain; charset=utf-8", "no")),
        (
            "silent-error",
            (500, "text/plain; charset=utf-8", "Value cannot be null. (Parameter 'content')"),
        ),
    ],
)
async def test_outcome_of_blocking_events(
    host: RunningHost, name: str, case: str, facts: tuple[int, str | None, str]
) -> None:
    """Values other than a dict are dropped or rejected; an error becomes a status and a text."""
    assert (await send_event(host, name, case)).facts == facts


@pytest.mark.parametrize(
    ("name", "case"),
    [("connect", "raise"), ("message", "raise"), ("connect", "set"), ("message", "set-inside")],
)
async def test_hanging_events(host: RunningHost, name: str, case: str) -> None:
    """After a failure in a blocking event the response comes only when the timeout is over."""
    started = perf_counter()
    reply = await send_event(host, name, case)
    assert reply.facts == (500, "text/plain; charset=utf-8", "A task was canceled.")
    assert perf_counter() - started >= 0.5
    lines = host.log_text().splitlines()
    loud = [line.startswith(f"AZURE WOULD HANG HERE: {name} failed") for line in lines]
    assert lines[loud.index(True) + 1].startswith("    ERROR ")


async def test_other_events_wait(host: RunningHost) -> None:
    """The response to an event that does not block still waits for the function."""
    started = perf_counter()
    assert (await send_event(host, "disconnected", "slow")).status == 200
    assert perf_counter() - started >= 0.2


async def test_connect_answer(host: RunningHost) -> None:
    """The response to connect has all four keys."""
    reply = await send_event(host, "connect", "connect")
    body = '{"userId":"ana","groups":["blue"],"subprotocol":null,"roles":null}'
    assert reply.facts == (200, "application/json", body)


async def test_message_answer(host: RunningHost) -> None:
    """The response to a message is the returned data, with the type of the data."""
    assert (await send_event(host, "message", "message")).facts == (200, "text/plain", "hello")


@pytest.mark.parametrize(
    ("name", "body", "content_type"),
    [("connect", ALL_NULL, "application/json"), ("message", "", None)],
)
async def test_states(host: RunningHost, name: str, body: str, content_type: str | None) -> None:
    """The header has the states of the request and the states that the function returned."""
    changes = {"ce-connectionState": encode_states({"room": "blue", "seat": 1})}
    reply = await send_event(host, name, "states", changes)
    assert (reply.status, reply.text) == (200, body)
    assert reply.headers.get("Content-Type") == (content_type or "application/octet-stream")
    assert decode_states(reply.headers["ce-connectionState"]) == {"room": "blue", "seat": {"n": 7}}


@pytest.mark.parametrize("name", ["connect", "message"])
async def test_request_text(host: RunningHost, name: str) -> None:
    """Python receives the extension's text: indented, nulls present, headers as arrays."""
    reply = await send_event(host, name, "echo", {"X-Sample": "one"}, body=BODIES.get(name, "hé"))
    request = json.loads(reply.text)
    assert reply.text == json.dumps(request, indent=2, ensure_ascii=False)
    context = request["connectionContext"]
    assert context["eventType"] == ("System" if name == "connect" else "User")
    assert context["headers"]["X-Sample"] == ["one"]
    assert "Content-Type" not in context["headers"]
    if name == "message":
        assert (request["data"], request["dataType"]) == ("hé", "Text")


async def test_argument_names(host: RunningHost) -> None:
    """A parameter called `data` may get the raw bytes; a parameter of another name gets None."""
    assert (await send_event(host, "blob", body=b"\xff\x00")).text == "bytes 2"
    assert (await send_event(host, "misnamed")).text == "None"


async def test_request_lines(host: RunningHost) -> None:
    """A request is one line without its query; its records are below it, unchanged."""
    await send(host, "GET", "/things/text?name=ana&code=very-secret")
    lines = host.log_text().splitlines()
    position = lines.index('    INFO sample: {"json": "line", "name": "ana"}')
    words = lines[position - 1].split()
    assert words[:3] + words[4:] == ["GET", "/things/text", "200", "ms", "text"]
    assert "very-secret" not in host.log_text()


async def test_records_do_not_mix(host: RunningHost) -> None:
    """Records of concurrent requests are below their own request."""
    names = [f"slow-{number}" for number in range(5)]
    await asyncio.gather(*(send(host, "GET", f"/things/slow?name={name}") for name in names))
    lines = host.log_text().splitlines()
    for name in names:
        position = lines.index(f"    INFO sample: {name} begins")
        assert lines[position - 1].startswith("GET /things/slow 200 ")
        assert lines[position + 1] == f"    INFO sample: {name} ends"


async def test_traceback_and_warning_lines(host: RunningHost) -> None:
    """An exception's traceback and a dropped return value are logged on stderr."""
    await send(host, "GET", "/things/boom")
    await send_event(host, "connect", "number")
    text = host.log_text()
    assert "        ValueError: the page's own error\n" in text
    assert "    WARNING localdev.host: THE ANSWER IS DROPPED: " in text


def test_start_lines(host: RunningHost) -> None:
    """At start every function has a line; a function that does not run has the reason."""
    text = host.log_text()
    assert f"echo: httpTrigger GET,POST {host.address}/things/echo/{{room}}/{{seat?}}\n" in text
    assert "connect: webPubSubTrigger chat.System.connect.All\n" in text
    assert "ERROR: unresolved does not run: '%NoSuchSetting%'" in text
    assert "ERROR: hourly does not run: the local host does not serve" in text
    assert "Successfully indexed" not in text
    assert "sample-key" not in text


PAGE_APP = """
import azure.functions as func
app = func.FunctionApp()
@app.route(route="page")
def page(req: func.HttpRequest) -> str:
    return "page"
"""


DEAD_APP = """
import azure.functions as func
app = func.FunctionApp()
@app.route(route="page", auth_level=func.AuthLevel.ANONYMOUS)
def page(req: func.HttpRequest) -> str:
    return "page"
@app.generic_trigger(arg_name="request", type="webPubSubTrigger", hub="",
                     eventType="user", eventName="message")
def message(request: str): ...
"""


async def test_an_app_that_does_not_start(tmp_path: Path) -> None:
    """Every request gets 503, pages and webhook included, and one line says why."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "function_app.py").write_text(DEAD_APP)
    with run_app(tmp_path / "app") as dead:
        for path in ("/api/page", "/", "/admin/host/ping", WEBHOOK, "/none"):
            reply = await send(dead, "GET", path)
            assert (reply.status, reply.text) == (503, "Function host is not running.")
    reasons = [line for line in dead.log_text().splitlines() if line.startswith("ERROR: ")]
    assert len(reasons) == 1
    assert "message cannot listen for events: no hub" in reasons[0]


def start_and_fail(folder: Path, text: str, port: int = 0) -> str:
    """Start the host for an app that cannot be served; return what it prints on stderr."""
    (folder / "function_app.py").write_text(text)
    process = start_host(folder, subprocess.PIPE, port=port)
    try:
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, output) == (1, "")
    return errors


@pytest.mark.parametrize(
    ("text", "fault", "cause"),
    [
        ("raise ValueError('at import')", "ValueError: at import", "ValueError('at import')"),
    ],
)
def test_app_that_cannot_be_served(tmp_path: Path, text: str, fault: str, cause: str) -> None:
    """An app that cannot be served ends the start with a clear error."""
    errors = start_and_fail(tmp_path, text)
    assert "HostError: " in errors
    assert fault in errors
    assert errors.endswith(f"cause: {cause}\n")


def test_busy_port(tmp_path: Path) -> None:
    """A port that is in use raises OSError."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        errors = start_and_fail(tmp_path, PAGE_APP, taken.getsockname()[1])
    assert "OSError" in errors


@pytest.mark.parametrize(
    ("path", "opening"),
    [
        ("text", [*asdict(KEYS), "none"]),
        ("members", ["master", "function"]),
        ("owners", ["master"]),
    ],
)
@pytest.mark.parametrize("place", ["header", "query"])
async def test_functions_require_keys(
    keyed_host: RunningHost, path: str, opening: list[str], place: str
) -> None:
    """Each level requires its key, in the header or the query; a denial explains itself."""
    for name, key in (*asdict(KEYS).items(), ("none", "wrong")):
        headers, query = ({HEADER: key}, "") if place == "header" else ({}, f"?Code={key}")
        reply = await send(keyed_host, "POST", f"/things/{path}{query}", headers)
        if name in opening:
            assert reply.status == 200
        else:
            assert (reply.status, reply.headers["Content-Type"]) == (
                401,
                "application/problem+json",
            )
            assert "x-functions-key" in reply.text
            assert "Azure answers an empty 401" in reply.text


async def test_no_key_and_no_route(keyed_host: RunningHost) -> None:
    """Without a key the status is 401 if there is a function, else 404."""
    for path, status in (("text", 200), ("members", 401), ("owners", 401), ("none", 404)):
        assert (await send(keyed_host, "POST", f"/things/{path}")).status == status
    assert (await send(keyed_host, "GET", "/things/members")).status == 404


async def test_browsers_can_read_a_denial(keyed_host: RunningHost) -> None:
    """Preflights need no key, and a 401 has the headers for the page's origin."""
    headers = {"Origin": "http://page.example", "Access-Control-Request-Method": "POST"}
    for method, status in (("OPTIONS", 204), ("POST", 401)):
        reply = await send(keyed_host, method, "/things/members", headers)
        assert reply.status == status
        assert reply.headers["Access-Control-Allow-Origin"] == "http://page.example"


async def test_the_function_sees_the_key(keyed_host: RunningHost) -> None:
    """As in Azure, the query and the header reach the function unchanged."""
    headers, query = {HEADER: KEYS.function}, f"code={KEYS.master}"
    reply = await send(keyed_host, "POST", f"/things/members?{query}", headers)
    assert reply.text == f"{KEYS.master} {KEYS.function}"


@pytest.mark.parametrize("key", [None, "wrong", KEYS.function])
async def test_the_webhook_needs_a_key(keyed_host: RunningHost, key: str | None) -> None:
    """Without its key the status is 401, with another one 403, before any other check."""
    query = "" if key is None else f"?code={key}"
    headers = {ORIGIN: "localhost"} | ({} if key is None else {HEADER: key})
    status, challenge = (403, None) if key == KEYS.function else (401, "Bearer")
    for method in ("OPTIONS", "GET", "PUT", "POST", "DELETE"):
        for path in (WEBHOOK, f"{WEBHOOK}/more", "/runtime/webhooks/other"):
            by_query = await send(keyed_host, method, path + query, {ORIGIN: "localhost"})
            by_header = await send(keyed_host, method, path, headers)
            assert by_query.facts == by_header.facts == (status, None, "")
            assert by_query.headers.get("WWW-Authenticate") == challenge


@pytest.mark.parametrize("key", [KEYS.webpubsub_extension, KEYS.master])
async def test_the_webhook_accepts_keys(keyed_host: RunningHost, key: str) -> None:
    """The system key and the master key are valid; then the checks of every event follow."""
    for path, headers in ((f"{WEBHOOK}?code={key}", {}), (f"{WEBHOOK}?code=wrong", {HEADER: key})):
        for method in ("OPTIONS", "GET"):
            reply = await send(keyed_host, method, path, {ORIGIN: "localhost"} | headers)
            assert reply.status == 200
    assert (await send_event(keyed_host, "connect", "none", {HEADER: key})).status == 200
    unsigned = {HEADER: key, "ce-signature": None}
    assert (await send_event(keyed_host, "connect", "none", unsigned)).status == 401


async def test_other_webhooks(keyed_host: RunningHost) -> None:
    """Only with the master key is the status 404 for an unknown extension."""
    for key, status in ((KEYS.webpubsub_extension, 403), (KEYS.master, 404)):
        reply = await send(keyed_host, "GET", f"/runtime/webhooks/other?code={key}")
        assert reply.status == status


async def test_admin_needs_the_master_key(keyed_host: RunningHost) -> None:
    """All but the ping are 401 with a challenge; behind the key the local host has nothing."""
    for key, status in ((KEYS.function, 401), (KEYS.master, 404)):
        reply = await send(keyed_host, "GET", f"/admin/functions?code={key}")
        assert (reply.status, reply.headers.get("WWW-Authenticate")) == (
            status,
            "Bearer" if status == 401 else None,
        )
    assert (await send(keyed_host, "GET", "/admin/host/ping")).status == 200


async def test_keys_are_not_logged(keyed_host: RunningHost) -> None:
    """Neither at start nor with requests, whether the key is valid or not."""
    for name, key in asdict(KEYS).items():
        headers, query = {HEADER: key, ORIGIN: "localhost"}, f"?code={key}&name={name}"
        for path in ("/things/text", "/things/boom", "/things/owners", "/things/none", WEBHOOK):
            await send(keyed_host, "GET", path + query, headers)
            await send(keyed_host, "POST", path + query, headers)
    log = keyed_host.log_text()
    assert "POST /things/owners 401 " in log
    assert not [key for key in asdict(KEYS).values() if key in log]
