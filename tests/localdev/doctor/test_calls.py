"""Tests of localdev/doctor/calls.py."""

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from localdev.doctor import calls
from localdev.doctor.calls import PROBLEM_TYPE, Answer, Kind, UnreachableError, call, open_session
from localdev.stack import ROOT


async def reason_of(url: str) -> str:
    """Return why a call of this URL got no answer."""
    async with open_session() as session:
        with pytest.raises(UnreachableError) as caught:
            await call(session, "GET", f"{url}/?code=secret")
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
    return str(caught.value)


async def test_the_reason_contains_no_url() -> None:
    assert await reason_of(f"http://127.0.0.1:{unused_port()}") == "Connection refused"
    assert "secret" not in await reason_of("http://usher.invalid")


async def test_a_late_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "ANSWER_SECONDS", 0.05)

    async def wait(_request: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return web.Response()

    application = web.Application()
    application.router.add_get("/", wait)
    async with TestServer(application) as server:
        assert await reason_of(str(server.make_url("/")).rstrip("/")) == "no answer within 0.05 s"


async def test_redirects_are_not_followed() -> None:
    """A redirect could send a key to another host."""

    async def redirect(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/elsewhere", "Date": "no date"})

    application = web.Application()
    application.router.add_get("/", redirect)
    async with TestServer(application) as server, open_session() as session:
        answer = await call(session, "GET", str(server.make_url("/")))
    assert (answer.status, answer.ahead) == (302, None)


@pytest.mark.parametrize("text", ["", "[1]", "<html>", '{"type": "about:blank", "detail": "x"}'])
def test_an_answer_that_is_no_problem_of_the_app(text: str) -> None:
    answer = Answer(503, {}, text)
    assert (answer.kind, answer.description) == (None, "503")


def test_a_problem_of_the_app() -> None:
    body = {"type": "urn:problem-type:usher:mode-not-set", "detail": "No mode."}
    answer = Answer(503, {}, json.dumps(body))
    assert (answer.kind, answer.description) == (Kind.MODE_NOT_SET, "503 mode-not-set (No mode.)")


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_in_the_api_description(kind: Kind) -> None:
    """A kind that the app renames would otherwise be judged by its status alone."""
    description = (ROOT / "api" / "openapi.yaml").read_text("utf-8")
    assert f"type: {PROBLEM_TYPE}{kind}\n" in description
