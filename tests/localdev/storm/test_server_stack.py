"""The processes of a storm, and real servers behind its load balancer."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from localdev.stack import HostProcess, StackError
from localdev.storm.stack import Balancer, StormStack, run_child


async def test_children_carry_out_commands_in_order() -> None:
    """The process is gone when the block ends."""
    async with run_child("localdev.storm.emulator") as child:
        assert "AccessKey" in await child.call("connection_string")
        assert await child.call("replace_faults", faults=["event-lost"], seed=0) == []
        assert await child.call("replace_faults", faults=[], seed=0) == [0]
    assert child.process.returncode == 0


async def test_a_child_that_ends_is_an_error() -> None:
    async with run_child("localdev.storm.clients") as child:
        with pytest.raises(StackError, match="ended by itself, at 'fly'"):
            await child.call("fly")


async def test_memory_and_cpu_are_of_each_process() -> None:
    """Resident MB, and CPU seconds that only grow."""
    async with run_child("localdev.storm.emulator") as child:
        await child.call("connection_string")
        stack = StormStack(child, "")
        stack.hosts = [HostProcess("", child.process)]
        before, after = stack.usage(), stack.usage()
    (host,) = before.hosts
    assert 5 < host.megabytes < 500
    assert 0 < host.cpu_seconds <= after.emulator.cpu_seconds < 60


@pytest.fixture
async def front() -> AsyncIterator[str]:
    """The address of a balancer before two servers that echo their name and the request."""
    servers = []
    for name in ("one", "two"):

        async def answer(request: web.Request, name: str = name) -> web.Response:
            echo = [name, request.method, request.raw_path, request.headers.get("ce-id")]
            headers = [("WebHook-Allowed-Origin", "a"), ("WebHook-Allowed-Origin", "b")]
            body = {"echo": echo, "body": await request.text()}
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


async def test_requests_are_forwarded_in_turn_and_unchanged(front: str) -> None:
    """Method, path, query, headers and body; status and repeated headers."""
    answers = []
    async with aiohttp.ClientSession(headers={"ce-id": "7"}) as session:
        for _ in range(4):
            url = URL(f"{front}/runtime/webhooks/webpubsub?code=a%2Fb", encoded=True)
            async with session.post(url, data="hello") as response:
                answers.append(await response.json())
    echo = ["POST", "/runtime/webhooks/webpubsub?code=a%2Fb", "7"]
    assert [answer["echo"] for answer in answers] == [[n, *echo] for n in ("one", "two")] * 2
    assert {answer["body"] for answer in answers} == {"hello"}
    assert response.status == 201
    assert response.headers.getall("WebHook-Allowed-Origin") == ["a", "b"]
