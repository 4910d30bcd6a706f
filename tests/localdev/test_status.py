"""`dev.py status` against emulators, and against servers that are something else."""

import argparse
import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from localdev.arguments import add_status_options
from localdev.status import report_status
from usher.errors import UnhealthyError
from webpubsub_emulator import Emulator

EVIL = "\x1b[2J\u202eeve"
ID = re.compile(r"\b[0-9a-f]{32}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def parse(emulator: str, app: str, *more: str) -> argparse.Namespace:
    """Return the options for the ports of these addresses."""
    parser = argparse.ArgumentParser()
    add_status_options(parser)
    ports = [url.rpartition(":")[2] for url in (emulator, app)]
    return parser.parse_args(["--emulator-port", ports[0], "--host-port", ports[1], *more])


@asynccontextmanager
async def serve(body: str, status: int = 200, kind: str = "application/json") -> AsyncIterator[str]:
    """Serve an answer to everything, and yield the address."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=body, status=status, content_type=kind)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application) as server:
        yield f"http://127.0.0.1:{server.port}"


@asynccontextmanager
async def listen(talk: bytes | None) -> AsyncIterator[str]:
    """Accept connections and say this, then close; with None, say nothing and keep them."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if talk is None:
            await reader.read()
        else:
            writer.write(talk)
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def free_port() -> AsyncIterator[str]:
    """Yield an address on which nobody listens, and nobody else can."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@asynccontextmanager
async def clients(emulator: Emulator) -> AsyncIterator[None]:
    """Connect ann, who is in two groups, a user with an evil name, and a client without one."""
    async with (
        WebPubSubServiceClient.from_connection_string(emulator.connection_string, "chat") as admin,
        aiohttp.ClientSession() as session,
    ):
        sockets = []
        for user, groups in (("ann", ["lobby", "user-ann"]), (EVIL, [EVIL]), (None, [])):
            token = await admin.get_client_access_token(user_id=user, groups=groups)
            sockets.append(await session.ws_connect(token["url"]))
        yield


async def test_people_see_hubs_groups_and_connections(capsys: pytest.CaptureFixture[str]) -> None:
    """In aligned columns. No text of a user can control the terminal."""
    async with Emulator() as emulator, serve('{"status": "ok"}') as app, clients(emulator):
        assert await report_status(parse(emulator.endpoint, app)) == 0
        (ann, *_) = emulator.connections("chat")
        assert ann.user_id == "ann"
    output = capsys.readouterr().out
    assert output.replace("\n", "").isprintable()
    assert ann.id in output
    shown = TIME.sub("TIME", ID.sub("ID", output)).splitlines()
    assert shown[:3] == [
        f"emulator  {emulator.endpoint}  runs",
        f"app       {app}  runs, health ok",
        "",
    ]
    assert shown[3] == "hub chat: 3 groups, 3 connections"
    evil = ascii(EVIL)
    rows = {tuple(line.split()) for line in shown[4:]}
    assert rows == {
        ("group", "connections"),
        ("lobby", "1"),
        ("user-ann", "1"),
        (evil, "1"),
        ("connection", "id", "user", "opened", "socket", "groups"),
        ("ID", "ann", "TIME", "attached", "lobby,", "user-ann"),
        ("ID", evil, "TIME", "attached", evil),
        ("ID", "-", "TIME", "attached", "-"),
    }
    (column,) = {line.index("attached") for line in output.splitlines() if "attached" in line}
    assert output.splitlines()[8].index("socket") == column


async def test_programs_get_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    async with Emulator() as emulator, serve('{"status": "ok"}') as app, clients(emulator):
        assert await report_status(parse(emulator.endpoint, app, "--json")) == 0
    output = capsys.readouterr().out
    document = json.loads(output)
    assert output.count("\n") == 1
    assert document["emulator"] == {"url": emulator.endpoint, "ok": True, "state": "runs"}
    assert document["app"] == {"url": app, "ok": True, "state": "runs, health ok"}
    users = {one["userId"] for one in document["hubs"]["chat"]["connections"]}
    assert users == {"ann", EVIL, None}


async def test_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    async with free_port() as emulator, free_port() as app:
        assert await report_status(parse(emulator, app)) == 1
    lines = capsys.readouterr().out.splitlines()
    for line, name, url in zip(lines, ("emulator", "app"), (emulator, app), strict=True):
        advice = f"nothing runs on port {url.rpartition(':')[2]}: start it with python3 dev.py up"
        assert line == f"{name:<8}  {url}  {advice}"


async def test_one_of_the_two_is_not_enough(capsys: pytest.CaptureFixture[str]) -> None:
    async with Emulator() as emulator, free_port() as app:
        assert await report_status(parse(emulator.endpoint, app, "--json")) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["emulator"]["ok"], document["app"]["ok"]) == (True, False)
    assert document["hubs"] == {}


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ("not found", 404, "text/plain"),
        ("<html>\x1b[2J", 200, "text/html"),
        ("[1]", 200, "application/json"),
        ('{"hubs": 5, "type": 7}', 200, "application/json"),
        ("[" * 100_000, 200, "application/json"),
    ],
)
async def test_another_service_is_named_as_such(
    capsys: pytest.CaptureFixture[str], body: str, status: int, kind: str
) -> None:
    async with serve(body, status, kind) as other:
        assert await report_status(parse(other, other)) == 1
    output = capsys.readouterr().out
    port = other.rpartition(":")[2]
    for option in ("--emulator-port", "--host-port"):
        assert (
            f"another service uses port {port}: end it, or name the right port with {option}"
            in output
        )


@pytest.mark.parametrize("talk", [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"\x00\xff" * 100])
async def test_a_service_without_http(capsys: pytest.CaptureFixture[str], talk: bytes) -> None:
    async with listen(talk) as other:
        assert await report_status(parse(other, other)) == 1
    assert capsys.readouterr().out.count("another service uses port") == 2


async def test_a_port_that_accepts_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async with listen(None) as other:
        assert await report_status(parse(other, other), seconds=0.2) == 1
    assert capsys.readouterr().out.count("is open, but nothing answers within 0.2 s") == 2


async def test_an_unhealthy_app_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"type": f"urn:problem-type:usher:{UnhealthyError.kind}", "detail": "No \x1b[2J."}
    async with Emulator() as emulator:
        async with serve(json.dumps(problem), 503, "application/problem+json") as app:
            assert await report_status(parse(emulator.endpoint, app)) == 1
        async with serve("Function host is not running.", 503, "text/plain") as app:
            assert await report_status(parse(emulator.endpoint, app)) == 1
    output = capsys.readouterr().out
    assert "health 503: No \\x1b[2J." in output
    assert "the host runs without an app" in output
