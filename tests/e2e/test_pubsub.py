"""`usher.pubsub` on the real SDK, against a service that answers whatever a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from traceback import format_exception
from urllib.parse import unquote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from usher import pubsub
from usher.errors import ServiceError
from usher.pubsub import AzurePubSub
from usher.settings import Connection, Settings

KEY = "a-made-up-access-key-of-32-bytes!"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Service:
    """A stand-in that notes each request and gives one answer to all."""

    pubsub: AzurePubSub
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def serve(answer: Answer) -> AsyncIterator[Service]:
    async def note(request: web.Request) -> web.StreamResponse:
        service.requests.append(request)
        service.bodies.append(await request.read())
        return await answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", note)
    async with TestServer(application) as server:
        connection = Connection(str(server.make_url("")).rstrip("/"), access_key=KEY)
        service = Service(AzurePubSub(Settings(connection, "chat")))
        try:
            yield service
        finally:
            await service.pubsub.close()


def always(status: int, **headers: str) -> Answer:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return answer


async def error_of(call: Awaitable[object]) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await call
    return caught.value


async def test_add_connection() -> None:
    """One PUT; every special character of a group's name is encoded; the status comes back."""
    async with serve(always(200)) as service:
        assert await service.pubsub.add_connection("a/b?c,d e", "c-1") == 200
    (request,) = service.requests
    segments = [unquote(segment) for segment in request.rel_url.raw_path.split("/")]
    assert request.method == "PUT"
    assert segments == ["", "api", "hubs", "chat", "groups", "a/b?c,d e", "connections", "c-1"]
    assert request.headers["Authorization"].startswith("Bearer ")


async def test_send_text() -> None:
    """One POST of text/plain, byte for byte, not a JSON string."""
    async with serve(always(202)) as service:
        assert await service.pubsub.send_text("lobby", 'Ana "ñ" 日本') == 202
    assert service.requests[0].content_type == "text/plain"
    assert service.bodies == ['Ana "ñ" 日本'.encode()]


@pytest.mark.parametrize(("members", "has_more"), [(0, False), (200, False), (201, True)])
async def test_list_users(members: int, has_more: bool) -> None:
    """At most 200, and whether there are more; a connection may have no user."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.query["top"] == "201"
        users = [{"connectionId": str(number), "userId": None} for number in range(members)]
        return web.json_response({"value": users, "nextLink": None})

    async with serve(answer) as service:
        users = [None] * min(members, 200)
        assert await service.pubsub.list_users("a b,ñ") == (users, has_more)
    (request,) = service.requests
    assert (request.method, request.path) == ("GET", "/api/hubs/chat/groups/a b,ñ/connections")


async def test_check_health() -> None:
    """HEAD on the health call, and on a group, which may be there or not."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=200 if request.path == "/api/health" else 404)

    async with serve(answer) as service:
        await service.pubsub.check_health()
    assert [(request.method, request.path) for request in service.requests] == [
        ("HEAD", "/api/health"),
        ("HEAD", "/api/hubs/chat/groups/lobby"),
    ]


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_check_health_asks_whether_the_app_may_come_in(status: int) -> None:
    """The health call is answered to everybody; another one is not."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=200 if request.path == "/api/health" else status)

    async with serve(answer) as service:
        assert (await error_of(service.pubsub.check_health())).answered == status


@pytest.mark.parametrize("status", [307, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504])
async def test_failures_are_not_repeated_by_the_sdk(status: int) -> None:
    """One request a call, whatever the answer: retrying is decided elsewhere."""
    headers = {"Retry-After": "7", "x-ms-error-code": "Some.Code", "Location": "/elsewhere"}
    async with serve(always(status, **headers)) as service:
        calls = [
            service.pubsub.add_connection("lobby", "c-1"),
            service.pubsub.send_text("lobby", "hello"),
            service.pubsub.list_users("lobby"),
            service.pubsub.check_health(),
        ]
        for call in calls:
            error = await error_of(call)
            assert (error.answered, error.retry_after, error.reached) == (status, 7, True)
            assert f"{status} (Some.Code)" in str(error)
    assert len(service.requests) == len(calls)


@pytest.mark.parametrize("retry_after", ["soon", "Fri, 31 Dec 1999 23:59:59 GMT", "-1"])
async def test_a_retry_after_that_is_no_number_of_seconds(retry_after: str) -> None:
    """Is as good as none."""
    async with serve(always(429, **{"Retry-After": retry_after})) as service:
        assert (await error_of(service.pubsub.send_text("a", "b"))).retry_after is None


async def test_a_refused_connection_surely_did_nothing() -> None:
    """Only here a text may be sent again without an answer."""
    endpoint = f"http://127.0.0.1:{unused_port()}"
    service = AzurePubSub(Settings(Connection(endpoint, access_key=KEY), "chat"))
    error = await error_of(service.send_text("lobby", "hello"))
    assert (error.answered, error.reached) == (None, False)
    await service.close()


async def test_a_connection_that_breaks_may_have_done_something() -> None:
    """The request was read before the connection went."""

    async def drop(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.close()
        return web.Response()

    async with serve(drop) as service:
        error = await error_of(service.pubsub.send_text("lobby", "hello"))
    assert (error.answered, error.reached) == (None, True)


async def test_a_service_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The read timeout ends the call; the service may have acted."""
    monkeypatch.setattr(pubsub, "READ_SECONDS", 0.05)

    async def wait(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        return web.Response()

    async with serve(wait) as service:
        error = await error_of(service.pubsub.send_text("lobby", "hello"))
    assert (error.answered, error.reached) == (None, True)


async def test_errors_show_no_secret() -> None:
    """Neither the key nor the token of the call, in the whole chain of exceptions."""

    async def echo(request: web.Request) -> web.StreamResponse:
        return web.Response(status=400, text="no")

    async with serve(echo) as service:
        error = await error_of(service.pubsub.send_text("lobby", "hello"))
    token = service.requests[0].headers["Authorization"].removeprefix("Bearer ")
    shown = "".join(format_exception(error)) + repr(error)
    assert KEY not in shown
    assert token not in shown


def test_identity_over_plain_http_is_for_this_machine_only() -> None:
    """Elsewhere the SDK's own demand for https stays."""
    for endpoint, options in (
        ("http://127.0.0.1:8080", {"enforce_https": False}),
        ("https://demo.webpubsub.azure.com", {}),
    ):
        connection = Connection(endpoint, managed_identity=True)
        assert pubsub.transport_options(connection) == options
