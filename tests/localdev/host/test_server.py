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
from tests.localdev.host.conftest import RunningHost, start_host
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
        "query": {"a": "1,2"},
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
        ("GET", "//things/text/x"),
    ],
)
async def test_no_such_route(host: RunningHost, method: str, path: str) -> None:
    """Without a function for the method and the path the response is 404 and empty."""
    assert (await send(host, method, path)).facts == (404, None, "")


async def test_disabled_functions(host: RunningHost) -> None:
    """They get neither requests nor events; the log says why."""
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
    assert reply.headers.getall("Set-Cookie") == ["a=1; HttpOnly; Path=/", "b=2"]


@pytest.mark.parametrize("name", ["boom", "nothing"])
async def test_http_failure(host: RunningHost, name: str) -> None:
    """The response of a function that fails is 500 with an empty body."""
    assert (await send(host, "GET", f"/things/{name}")).facts == (500, None, "")


async def test_body_limit(host: RunningHost) -> None:
    """A body over 100 MiB is rejected before it is sent."""
    headers = {"Content-Length": str(100 * 1024 * 1024 + 1)}
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(host.address).port)
    try:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        writer.write(
            "\r\n".join(["POST /things/text HTTP/1.1", "Host: a", *lines, "", ""]).encode()
        )
        assert (await reader.readline()).split()[1] == b"413"
    finally:
        writer.close()
        await writer.wait_closed()


async def test_cors(host: RunningHost) -> None:
    """Functions have CORS headers for an allowed origin; the webhook has none."""
    headers = {"Origin": "http://page.example", "Access-Control-Request-Method": "POST"}
    preflight = await send(host, "OPTIONS", "/things/text", headers)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Methods"] == "POST"
    for path in ("/things/text", "/things/none"):
        answer = await send(host, "GET", path, headers)
        assert answer.headers["Access-Control-Allow-Origin"] == "http://page.example"
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["Vary"] == "Origin"
    webhook = await send(host, "OPTIONS", WEBHOOK, {**headers, ORIGIN: "localhost"})
    assert webhook.headers["WebHook-Allowed-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in webhook.headers


@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
@pytest.mark.parametrize(
    ("origin", "status"), [("localhost", 200), ("no, localhost", 200), ("no", 400), (None, 500)]
)
async def test_validation(host: RunningHost, method: str, origin: str | None, status: int) -> None:
    """A known origin is accepted, another rejected; without an origin the extension fails."""
    reply = await send(host, method, WEBHOOK, origin and {ORIGIN: origin})
    assert reply.facts == (status, None, "")
    assert reply.headers.get("WebHook-Allowed-Origin") == ("*" if status == 200 else None)


@pytest.mark.parametrize("method", ["HEAD", "PATCH"])
async def test_webhook_methods(host: RunningHost, method: str) -> None:
    """The webhook accepts only the methods that the real host accepts."""
    assert (await send(host, method, WEBHOOK)).status == 405


async def test_webhook_path(host: RunningHost) -> None:
    """The webhook's path is case-insensitive, and the part after the extension is ignored."""
    for path in ("/Runtime/Webhooks/WebPubSub", f"{WEBHOOK}/more?code=x"):
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


DUPLICATE_APP = """
import azure.functions as func
app = func.FunctionApp()
@app.generic_trigger(arg_name="request", type="webPubSubTrigger", hub="chat",
                     eventType="user", eventName="message")
def one(request: str): ...
@app.generic_trigger(arg_name="request", type="webPubSubTrigger", hub="Chat",
                     eventType="user", eventName="message")
def two(request: str): ...
"""
PAGE_APP = """
import azure.functions as func
app = func.FunctionApp()
@app.route(route="{id:int}")
def page(req: func.HttpRequest) -> str: ...
"""


def start_and_fail(folder: Path, text: str, port: int = 0) -> str:
    """Start the host for an app that cannot be served; return what it prints on stderr."""
    (folder / "function_app.py").write_text(text)
    process = start_host(folder, subprocess.PIPE, port=port)
    try:
        output, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, output) == (1, "")
    return errors


@pytest.mark.parametrize(
    ("text", "fault", "cause"),
    [
        ("raise ValueError('at import')", "ValueError: at import", "ValueError('at import')"),
        (DUPLICATE_APP, "two functions are for the same event", "None"),
        (PAGE_APP, "the route of page: `{id:int}` is not supported", "None"),
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
        text = PAGE_APP.replace("{id:int}", "page")
        errors = start_and_fail(tmp_path, text, taken.getsockname()[1])
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
    """Each level requires its key, in the header or the query; a denial has no body."""
    for name, key in (*asdict(KEYS).items(), ("none", "wrong")):
        headers, query = ({HEADER: key}, "") if place == "header" else ({}, f"?Code={key}")
        reply = await send(keyed_host, "POST", f"/things/{path}{query}", headers)
        if name in opening:
            assert reply.status == 200
        else:
            assert reply.facts == (401, None, "")


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
    """Without its key the status is 401 for every method, before any other check."""
    query = "" if key is None else f"?code={key}"
    headers = {ORIGIN: "localhost"} | ({} if key is None else {HEADER: key})
    for method in ("OPTIONS", "GET", "PUT", "POST", "DELETE", "PATCH"):
        for path in (WEBHOOK, f"{WEBHOOK}/more", "/runtime/webhooks/other"):
            by_query = await send(keyed_host, method, path + query, {ORIGIN: "localhost"})
            by_header = await send(keyed_host, method, path, headers)
            assert by_query.facts == by_header.facts == (401, None, "")


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
    for key, status in ((KEYS.webpubsub_extension, 401), (KEYS.master, 404)):
        reply = await send(keyed_host, "GET", f"/runtime/webhooks/other?code={key}")
        assert reply.status == status


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
