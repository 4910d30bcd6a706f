import argparse
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from localdev.arguments import add_app_options, add_remove_options
from localdev.removals import list_removals, remove_user
from localdev.stack import StackError


def parse(url: str, *given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    (add_remove_options if given else add_app_options)(parser)
    return parser.parse_args([*given, "--url", url, "--key-from-env", "KEY"])


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "k")


async def test_the_key_is_not_sent_unencrypted() -> None:
    url = "http://usher.azurewebsites.net"
    for calling in (remove_user(parse(url, "--user", "m")), list_removals(parse(url))):
        with pytest.raises(StackError, match=f"{url}/api/removals must start with https"):
            await calling


async def test_the_key_does_not_follow_a_redirect() -> None:
    keys: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        keys.append(request.headers.get("x-functions-key"))
        return web.Response(status=307, headers={"Location": "/other"})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application) as server:
        url = str(server.make_url("")).rstrip("/")
        for calling in (remove_user(parse(url, "--user", "m")), list_removals(parse(url))):
            with pytest.raises(StackError, match="answered 307"):
                await calling
    assert keys == ["k", "k"]


async def test_only_what_is_given_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    bodies = []

    async def answer(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.json_response({"id": "1"}, status=201)

    application = web.Application()
    application.router.add_post("/api/removals", answer)
    async with TestServer(application) as server:
        url = str(server.make_url("")).rstrip("/")
        await remove_user(parse(url, "--user", "m"))
        more = ("--group", "g", "--minutes", "0", "--reason", "spam")
        await remove_user(parse(url, "--user", "m", *more))
    all_fields = {"userId": "m", "group": "g", "minutes": 0, "reason": "spam"}
    assert bodies == [{"userId": "m"}, all_fields]
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"id": "1"}] * 2


async def test_all_pages_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    async def answer(request: web.Request) -> web.Response:
        after = request.query.get("after")
        link = None if after else "/api/removals?after=a"
        removals = [{"id": "2"}] if after else [{"id": "0"}, {"id": "1"}]
        return web.json_response({"removals": removals, "nextLink": link})

    application = web.Application()
    application.router.add_get("/api/removals", answer)
    async with TestServer(application) as server:
        assert await list_removals(parse(str(server.make_url("")).rstrip("/"))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["0", "1", "2"]
