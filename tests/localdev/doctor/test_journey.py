"""Tests of localdev/doctor/journey.py: services that do not let the client in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from localdev.doctor.findings import Finding, Level
from localdev.doctor.journey import check_journey
from tests.localdev.doctor.patients import make_patient, make_token


@asynccontextmanager
async def refuse(status: int) -> AsyncIterator[str]:
    """A service that answers every handshake so; its client URL without the token."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    application = web.Application()
    application.router.add_get("/client/hubs/chat", answer)
    async with TestServer(application) as server:
        yield str(server.make_url("/client/hubs/chat")).replace("http", "ws")


async def travel(url: str, **about: Any) -> Finding:
    """The journey of a client with a token for that URL."""
    async with make_patient(token=make_token(url), mode="anonymous", **about) as patient:
        finding = await check_journey(patient)
    assert "a-secret-token" not in finding.saw + finding.means + finding.fix
    return finding


@pytest.mark.parametrize(
    ("status", "about", "means"),
    [
        (401, {}, "does not take the token, or the app refuses"),
        (401, {"state": "e30="}, "does not take the token of the app's key"),
        (403, {}, "network rules keep clients"),
        (429, {}, "as many clients as its units allow"),
        (500, {}, "cannot deliver `connect`: the event handler's URL has another key or address."),
        (500, {"state": "e30="}, "address; the app itself admits the client."),
        (500, {"remarks": ["it sends events to https://a.example"]}, "to https://a.example."),
    ],
)
async def test_clients_that_are_refused(status: int, about: dict[str, Any], means: str) -> None:
    """By status, and by what is known already."""
    async with refuse(status) as url:
        finding = await travel(url, **about)
    assert finding.saw == f"the service answers the client's handshake with {status}"
    assert (finding.level, means in finding.means) == (Level.FAILURE, True)


async def test_a_service_that_is_closed_to_this_network() -> None:
    """The text has no token in it."""
    finding = await travel(f"ws://127.0.0.1:{unused_port()}/client/hubs/chat")
    assert (finding.level, finding.saw) == (
        Level.FAILURE,
        "no client gets in: Connection refused",
    )


async def test_nobody_to_travel() -> None:
    """Without a token there is no journey."""
    async with make_patient() as patient:
        assert (await check_journey(patient)).level is Level.SKIPPED
