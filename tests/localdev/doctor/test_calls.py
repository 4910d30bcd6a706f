"""Tests of localdev/doctor/calls.py."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from localdev.doctor import calls
from localdev.doctor.calls import Answer, UnreachableError, call, open_session


async def reason_of(url: str) -> str:
    """Why there was no answer."""
    async with open_session() as session:
        with pytest.raises(UnreachableError) as caught:
            await call(session, "GET", f"{url}/?code=secret")
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
    return str(caught.value)


async def test_reasons() -> None:
    """The system's own words, and no URL."""
    assert await reason_of(f"http://127.0.0.1:{unused_port()}") == "Connection refused"
    assert "secret" not in await reason_of("http://usher.invalid")


async def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is none."""
    monkeypatch.setattr(calls, "ANSWER_SECONDS", 0.05)

    async def wait(_request: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return web.Response()

    application = web.Application()
    application.router.add_get("/", wait)
    async with TestServer(application) as server:
        assert await reason_of(str(server.make_url("/")).rstrip("/")) == "no answer within 0.05 s"


async def test_redirects_are_not_followed() -> None:
    """A key would go along."""

    async def redirect(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/elsewhere", "Date": "no date"})

    application = web.Application()
    application.router.add_get("/", redirect)
    async with TestServer(application) as server, open_session() as session:
        answer = await call(session, "GET", str(server.make_url("/")))
    assert (answer.status, answer.ahead) == (302, None)


@pytest.mark.parametrize("text", ["", "[1]", "<html>", '{"type": "about:blank", "detail": "x"}'])
def test_answers_that_are_not_the_apps(text: str) -> None:
    """No problem of Usher is in them."""
    assert Answer(503, {}, text).problem is None
