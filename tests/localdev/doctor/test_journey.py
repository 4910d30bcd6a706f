"""Tests of localdev/doctor/journey.py: services that reject the client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from localdev.doctor.findings import Finding, Level
from localdev.doctor.journey import check_journey
from tests.localdev.doctor.contexts import make_context, make_token


@asynccontextmanager
async def run_service(status: int) -> AsyncIterator[str]:
    """Answer every handshake with this status; yield the client URL without a token."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    application = web.Application()
    application.router.add_get("/client/hubs/chat", answer)
    async with TestServer(application) as server:
        yield str(server.make_url("/client/hubs/chat")).replace("http", "ws")


async def run_journey(url: str, **about: Any) -> Finding:
    """Return the finding for a client with a token for this URL."""
    async with make_context(token=make_token(url), mode="anonymous", **about) as context:
        finding = await check_journey(context)
    assert "a-secret-token" not in finding.saw + finding.means + finding.fix
    return finding


REMARK = "the event handler sends events to https://a.example"


@pytest.mark.parametrize(
    ("status", "about", "means"),
    [
        (401, {}, "Web PubSub rejects the token, or the app rejects the client."),
        (401, {"connection_state": "e30="}, "the app signs with a key of another service."),
        (403, {}, "block clients of this network."),
        (429, {}, "as many clients as its units allow."),
        (500, {}, "the event handler's URL has a wrong key or address."),
        (500, {"connection_state": "e30="}, "address. The app itself accepts the client."),
        (500, {"handler_remarks": [REMARK]}, "sends events to https://a.example."),
    ],
)
async def test_a_rejected_handshake(status: int, about: dict[str, Any], means: str) -> None:
    """The status decides, together with what earlier checks found out."""
    async with run_service(status) as url:
        finding = await run_journey(url, **about)
    assert finding.saw == f"Web PubSub answered the client's handshake with {status}"
    assert finding.level is Level.FAILURE
    assert finding.means.endswith(means)


async def test_a_service_that_is_closed_to_this_network() -> None:
    finding = await run_journey(f"ws://127.0.0.1:{unused_port()}/client/hubs/chat")
    assert (finding.level, finding.saw) == (
        Level.FAILURE,
        "no client can connect: Connection refused",
    )


async def test_the_journey_needs_a_token() -> None:
    async with make_context() as context:
        assert (await check_journey(context)).level is Level.SKIPPED
