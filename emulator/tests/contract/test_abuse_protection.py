"""An event handler must allow the service to send events (CloudEvents abuse protection)."""

import asyncio

import pytest

from contract.target import JSON, Hub
from unit.app import App


def validations(app: App) -> list[str]:
    """Return the methods of the requests that were not events."""
    return [request.method for request in app.received if request.method != "POST"]


@pytest.mark.specified
async def test_validation_comes_once_before_the_first_event(handled: Hub, app: App) -> None:
    """One unsigned OPTIONS request serves all clients that wait for it."""

    async def enter() -> None:
        async with handled.connect() as client:
            await client.exchange(type="ping")

    await asyncio.gather(enter(), enter())
    assert validations(app) == ["OPTIONS"]
    first = app.received[0]
    assert (first.method, first.path) == ("OPTIONS", f"/hooks/{handled}/validate?code=c0de")
    assert first.headers["webhook-request-origin"] == "127.0.0.1"
    assert not {"ce-signature", "cookie"} & first.headers.keys()


@pytest.mark.specified
@pytest.mark.parametrize(
    ("status", "origin", "methods", "allowed"),
    [
        (200, "*", ["OPTIONS"], True),
        (204, "*", ["OPTIONS"], True),
        (200, "127.0.0.1", ["OPTIONS"], True),
        (404, "*", ["OPTIONS", "GET"], True),
        (404, "other.example", ["OPTIONS", "GET"], False),
        (405, "*", ["OPTIONS"], False),
        (400, "*", ["OPTIONS"], False),
        (200, "", ["OPTIONS"], False),
        (200, "other.example", ["OPTIONS"], False),
        (200, "other.example, 127.0.0.1", ["OPTIONS"], False),
    ],
)
async def test_a_handler_must_allow_the_service(
    handled: Hub, app: App, status: int, origin: str, methods: list[str], allowed: bool
) -> None:
    """The answer names `*` or the service's host. Only after a 404 a GET is tried.

    If the handler does not allow the service, clients get 500 and the handler gets no events.
    """
    app.options_status, app.allowed_origin = status, origin
    if allowed:
        async with handled.connect():
            await app.wait_for("connect", "connected")
    else:
        assert await handled.target.refusal(handled.client_path, [JSON], handled.token()) == 500
        assert app.events == []
    assert validations(app) == methods
