"""An event handler must agree before it gets events (CloudEvents abuse protection)."""

import asyncio

import pytest

from contract.target import JSON, Hub
from unit.app import App


def asked(app: App) -> list[str]:
    """The methods of the requests that were no events."""
    return [one.method for one in app.received if one.method != "POST"]


async def test_the_question_comes_first_and_once(handled: Hub, app: App) -> None:
    """By OPTIONS, for all clients that wait for it, without a signature."""

    async def enter() -> None:
        async with handled.connect() as client:
            await client.say(type="ping")

    await asyncio.gather(enter(), enter())
    assert asked(app) == ["OPTIONS"]
    first = app.received[0]
    assert (first.method, first.path) == ("OPTIONS", f"/hooks/{handled}/validate?code=c0de")
    assert first.headers["webhook-request-origin"] == "127.0.0.1"
    assert not {"ce-signature", "cookie"} & first.headers.keys()


@pytest.mark.parametrize(
    ("status", "origin", "methods", "agrees"),
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
async def test_answers(
    handled: Hub, app: App, status: int, origin: str, methods: list[str], agrees: bool
) -> None:
    """It agrees by naming everybody or the service's host; only after a 404 GET is tried.

    Where it does not agree, clients get 500 and it gets no events.
    """
    app.options_status, app.allowed_origin = status, origin
    if agrees:
        async with handled.connect():
            await app.wait_for("connect", "connected")
    else:
        assert await handled.target.refusal(handled.client_path, [JSON], handled.token()) == 500
        assert app.events == []
    assert asked(app) == methods
