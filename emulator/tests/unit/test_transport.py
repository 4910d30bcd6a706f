"""Tests of transport.py, with a tiny HTTP server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from webpubsub_emulator.deliveries import NetworkError, TransferError
from webpubsub_emulator.transport import Transport, open_transport
from webpubsub_emulator.upstream import ANSWER_LIMIT, UpstreamRequest


async def answer(request: web.Request) -> web.StreamResponse:
    """Answer as the path says."""
    match request.match_info["what"]:
        case "echo":
            got = request.headers
            text = f"{request.method} {request.path_qs} {got['ce-userId']} {await request.text()}"
            cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
            kept = [("X-Type", got["Content-Type"]), ("X-Cookie", got.get("Cookie", "none"))]
            return web.Response(text=text, headers=[*cookies, *kept])
        case "drop":
            assert request.transport is not None
            request.transport.abort()
        case "redirect":
            return web.Response(status=307, headers={"Location": "/echo"})
        case "limit":
            return web.Response(body=bytes(ANSWER_LIMIT))
        case "more":
            return web.Response(body=bytes(ANSWER_LIMIT + 1))
    return web.Response()


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """Yield the URL of the server."""
    application = web.Application()
    application.router.add_route("*", "/{what}", answer)
    subject = TestServer(application)
    await subject.start_server()
    yield subject
    await subject.close()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with open_transport() as opened:
        yield opened


def post(url: object, user_id: str = "ann") -> UpstreamRequest:
    """Return an event request with the least that these tests need."""
    headers = {"Content-Type": "text/plain", "ce-userId": user_id}
    return UpstreamRequest("POST", str(url), headers, b"x")


async def test_a_request_and_its_answer(server: TestServer, transport: Transport) -> None:
    """Method, URL, headers in UTF-8 and body are sent unchanged; all headers come back."""
    started = asyncio.Event()
    got = await transport.send(post(server.make_url("/echo?a=%2B"), "änn"), started)
    assert got.status == 200
    assert got.body.decode() == "POST /echo?a=%2B änn x"
    assert got.headers.all("set-cookie") == ["a=1", "b=2"]
    assert got.headers.last("x-type") == "text/plain"
    assert started.is_set()


async def test_cookies_are_not_mixed(server: TestServer, transport: Transport) -> None:
    """A cookie of one answer is not sent with the next request, which may be for another client."""
    url = server.make_url("/echo").with_host("localhost")
    answers = [await transport.send(post(url), asyncio.Event()) for _ in range(2)]
    assert [got.headers.last("x-cookie") for got in answers] == ["none", "none"]


async def test_redirects_are_answers(server: TestServer, transport: Transport) -> None:
    """Only the event handler gets an event."""
    got = await transport.send(post(server.make_url("/redirect")), asyncio.Event())
    assert got.status == 307


async def test_an_answer_that_is_cut_short(server: TestServer, transport: Transport) -> None:
    """It is a network error, although the request was on its way."""
    started = asyncio.Event()
    with pytest.raises(NetworkError):
        await transport.send(post(server.make_url("/drop")), started)
    assert started.is_set()


async def test_an_unreachable_server(transport: Transport) -> None:
    """It is a network error without the URL; the request was never on its way."""
    started = asyncio.Event()
    with pytest.raises(NetworkError, match=r"^ClientConnectorError$"):
        await transport.send(post("http://127.0.0.1:1/?code=c0de"), started)
    assert not started.is_set()


async def test_what_no_header_can_carry(server: TestServer, transport: Transport) -> None:
    """A user id with a line end cannot be sent, and cannot inject a header."""
    request = post(server.make_url("/echo"), "a\r\nce-hub: other")
    with pytest.raises(TransferError, match="not transferable"):
        await transport.send(request, asyncio.Event())


async def test_long_answers(server: TestServer, transport: Transport) -> None:
    """16 MiB are read, one byte more is refused."""
    got = await transport.send(post(server.make_url("/limit")), asyncio.Event())
    assert len(got.body) == 16 * 1024 * 1024
    with pytest.raises(TransferError):
        await transport.send(post(server.make_url("/more")), asyncio.Event())
