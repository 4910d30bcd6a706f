"""Calls are spread over real servers, and pass unchanged."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from localdev.storm.balancer import Balancer


@pytest.fixture
async def front() -> AsyncIterator[str]:
    """The address of a balancer before two servers that tell who they are and what came."""
    servers = []
    for name in ("one", "two"):

        async def answer(request: web.Request, name: str = name) -> web.Response:
            told = [name, request.method, request.raw_path, request.headers.get("ce-id")]
            headers = [("WebHook-Allowed-Origin", "a"), ("WebHook-Allowed-Origin", "b")]
            body = {"told": told, "body": await request.text()}
            return web.json_response(body, status=201, headers=headers)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        servers.append(TestServer(app))
    for server in servers:
        await server.start_server()
    async with Balancer([str(server.make_url("")).rstrip("/") for server in servers]) as balancer:
        yield balancer.address
    for server in servers:
        await server.close()


async def test_in_turn_and_unchanged(front: str) -> None:
    """Method, path, query, headers and body; status and headers that come twice."""
    answers = []
    async with aiohttp.ClientSession(headers={"ce-id": "7"}) as session:
        for _ in range(4):
            url = URL(f"{front}/runtime/webhooks/webpubsub?code=a%2Fb", encoded=True)
            async with session.post(url, data="hello") as response:
                answers.append(await response.json())
    told = ["POST", "/runtime/webhooks/webpubsub?code=a%2Fb", "7"]
    assert [answer["told"] for answer in answers] == [[n, *told] for n in ("one", "two")] * 2
    assert {answer["body"] for answer in answers} == {"hello"}
    assert response.status == 201
    assert response.headers.getall("WebHook-Allowed-Origin") == ["a", "b"]
