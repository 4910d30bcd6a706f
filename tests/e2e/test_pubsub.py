"""`usher.service.pubsub` with the real SDK, against a server whose responses a test defines."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from traceback import format_exception
from urllib.parse import unquote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from usher.errors import ServiceError, ThrottledError, UnansweredError, UnknownConnectionError
from usher.service import pubsub
from usher.service.group_list import GroupList
from usher.service.pubsub import AzurePubSub
from usher.settings import Connection, Settings

KEY = "a-made-up-access-key-of-32-bytes!"
type Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Service:
    """A client of a server that records each request and gives the same response to all."""

    pubsub: AzurePubSub
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def serve(answer: Answer) -> AsyncIterator[Service]:
    async def record(request: web.Request) -> web.StreamResponse:
        service.requests.append(request)
        service.bodies.append(await request.read())
        return await answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", record)
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


async def test_adding_a_connection_is_one_put_with_an_encoded_group_name() -> None:
    async with serve(always(200)) as service:
        assert await service.pubsub.add_connection("a/b?c,d e", "c-1") == 200
    (request,) = service.requests
    segments = [unquote(segment) for segment in request.rel_url.raw_path.split("/")]
    assert request.method == "PUT"
    assert segments == ["", "api", "hubs", "chat", "groups", "a/b?c,d e", "connections", "c-1"]
    assert request.headers["Authorization"].startswith("Bearer ")


async def test_404_means_an_unknown_connection_only_when_one_is_added() -> None:
    async with serve(always(404, **{"x-ms-error-code": "Error.Connection.NotExisted"})) as service:
        error = await error_of(service.pubsub.add_connection("lobby", "c-1"))
        assert (type(error), error.answered) == (UnknownConnectionError, 404)
        assert error.code == "Error.Connection.NotExisted"
        error = await error_of(service.pubsub.send_to_group("lobby", b"hello", "text/plain"))
        assert type(error) is ServiceError


def answer_members(*pages: list[dict[str, str]], added: int = 200) -> Answer:
    """Answer both calls of an add that names a user: the add, and the pages of the group."""
    left = list(pages)

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return web.Response(status=added)
        page = {"value": left.pop(0), "nextLink": f"{request.url}&continuationToken=x"}
        return web.json_response(page if left else page | {"nextLink": None})

    return answer


ANA, BO = [{"connectionId": f"c-{user}", "userId": user} for user in ("ana", "bo")]


async def test_adding_a_connection_of_a_user_filters_by_both_ids() -> None:
    """A quote in a user id is doubled, and all pages of the group's connections are read."""
    user = "o'hara' or userId ne '"
    own = {"connectionId": "c-1", "userId": user}
    async with serve(answer_members([ANA], [BO, own])) as service:
        assert await service.pubsub.add_connection("a b", "c-1", user) == 200
    added, *listed = service.requests
    assert (added.method, added.path) == ("POST", "/api/hubs/chat/:addToGroups")
    assert added.query == {"api-version": "2024-12-01"}
    filtered = "connectionId eq 'c-1' and userId eq 'o''hara'' or userId ne '''"
    assert json.loads(service.bodies[0]) == {"groups": ["a b"], "filter": filtered}
    assert [request.method for request in listed] == ["GET", "GET"]


@pytest.mark.parametrize("pages", [[[]], [[ANA], [BO]]])
async def test_a_connection_of_another_user_is_unknown_and_not_added(
    pages: list[list[dict[str, str]]],
) -> None:
    async with serve(answer_members(*pages)) as service:
        error = await error_of(service.pubsub.add_connection("blue", "c-ana", "bo"))
    assert (type(error), error.may_have_acted) == (UnknownConnectionError, False)


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_after_a_failed_add_for_a_user_the_group_is_not_read(status: int) -> None:
    async with serve(answer_members(added=status)) as service:
        error = await error_of(service.pubsub.add_connection("blue", "c-ana", "ana"))
    assert (error.answered, error.may_have_acted) == (status, status == 500)
    assert len(service.requests) == 1


async def test_an_add_may_have_acted_if_the_group_cannot_be_read() -> None:
    """Only the second call was refused."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=200 if request.method == "POST" else 429)

    async with serve(answer) as service:
        error = await error_of(service.pubsub.add_connection("blue", "c-ana", "ana"))
    assert (type(error), error.may_have_acted) == (ThrottledError, True)


async def test_a_text_is_sent_byte_for_byte_as_text_plain() -> None:
    async with serve(always(202)) as service:
        assert (
            await service.pubsub.send_to_group("lobby", 'Ana "ñ" 日本'.encode(), "text/plain")
            == 202
        )
    assert service.requests[0].content_type == "text/plain"
    assert service.bodies == ['Ana "ñ" 日本'.encode()]


async def test_an_object_is_sent_as_json() -> None:
    async with serve(always(202)) as service:
        assert (
            await service.pubsub.send_to_group("lobby", {"text": 'Ana "ñ"'}, "application/json")
            == 202
        )
    assert service.requests[0].content_type == "application/json"
    assert json.loads(service.bodies[0]) == {"text": 'Ana "ñ"'}


async def test_a_message_to_a_connection_is_one_post() -> None:
    async with serve(always(202)) as service:
        body = {"type": "presence"}
        assert await service.pubsub.send_to_connection("c-1", body, "application/json") == 202
    (request,) = service.requests
    assert (request.method, request.path) == ("POST", "/api/hubs/chat/connections/c-1/:send")
    assert request.content_type == "application/json"
    assert json.loads(service.bodies[0]) == body


async def test_a_message_to_a_connection_that_is_gone() -> None:
    async with serve(always(404)) as service:
        error = await error_of(service.pubsub.send_to_connection("c-1", {}, "application/json"))
    assert (type(error), error.answered) == (UnknownConnectionError, 404)


DATE = "Thu, 26 Nov 2026 12:30:07 GMT"
AS_OF = datetime(2026, 11, 26, 12, 30, 7, tzinfo=UTC)


def answer_pages(users: list[str | None]) -> Answer:
    """Answer with pages of 200 connections of these users. Later pages have later dates."""

    async def answer(request: web.Request) -> web.StreamResponse:
        start = int(request.query.get("continuationToken", "0"))
        assert int(request.query["top"]) + start == 2000
        some = enumerate(users[start : start + 200], start)
        page = [{"connectionId": f"c-{number}", "userId": user} for number, user in some]
        rest = {"continuationToken": str(start + 200), "top": str(1800 - start)}
        has_more = start + 200 < min(len(users), 2000)
        more = str(request.url.update_query(rest)) if has_more else None
        date = DATE.replace(":07", f":{7 + start // 200:02}")
        return web.json_response({"value": page, "nextLink": more}, headers={"Date": date})

    return answer


PEOPLE: list[str | None] = [f"user-{number}" for number in range(1000)]


@pytest.mark.parametrize(
    ("users", "listed", "has_more", "requests"),
    [
        ([], [], False, 1),
        ([None] * 3, [None] * 3, False, 1),
        (PEOPLE[:200], PEOPLE[:200], False, 1),
        (PEOPLE[:201], PEOPLE[:200], True, 2),
        (PEOPLE, PEOPLE[:200], True, 2),
        (PEOPLE[:200] * 2 + PEOPLE, PEOPLE[:200] * 3, True, 4),
        (["ana"] * 250 + ["bo"], ["ana"] * 250 + ["bo"], False, 2),
        (["ana"] * 250 + PEOPLE, ["ana"] * 250 + PEOPLE[:199], True, 3),
        (["ana"] * 1999, ["ana"] * 1999, False, 10),
        (["ana"] * 2500 + ["bo"], ["ana"] * 1999, True, 10),
    ],
)
async def test_connections_are_listed_until_user_201_or_10_pages(
    users: list[str | None], listed: list[str | None], has_more: bool, requests: int
) -> None:
    """So the sockets of one user do not hide the others. The list is of the first page's second."""
    async with serve(answer_pages(users)) as service:
        found = await service.pubsub.list_group("a b,ñ")
    connections = {f"c-{number}": user or "" for number, user in enumerate(listed)}
    assert found == GroupList(AS_OF, connections, has_more)
    assert len(service.requests) == requests
    request = service.requests[0]
    assert (request.method, request.path) == ("GET", "/api/hubs/chat/groups/a b,ñ/connections")


@pytest.mark.parametrize("date", ["", "2026-11-26T12:30:07Z", "yesterday"])
async def test_a_list_without_a_date_is_a_failure(date: str) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"value": [], "nextLink": None}, headers={"Date": date})

    async with serve(answer) as service:
        error = await error_of(service.pubsub.list_group("lobby"))
    assert (error.answered, error.reason) == (200, "answered without a Date")


async def test_the_health_check_calls_health_and_a_group() -> None:
    """The group need not exist."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=200 if request.path == "/api/health" else 404)

    async with serve(answer) as service:
        await service.pubsub.check_health()
    assert [(request.method, request.path) for request in service.requests] == [
        ("HEAD", "/api/health"),
        ("HEAD", "/api/hubs/chat/groups/lobby"),
    ]


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_the_health_check_fails_if_the_service_refuses_the_app(status: int) -> None:
    """The health call needs no credentials, but the call for the group does."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=200 if request.path == "/api/health" else status)

    async with serve(answer) as service:
        assert (await error_of(service.pubsub.check_health())).answered == status


@pytest.mark.parametrize("status", [307, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504])
async def test_the_sdk_does_not_retry(status: int) -> None:
    """Each call sends one request, whatever the response: Usher itself decides about retries."""
    headers = {"Retry-After": "7", "x-ms-error-code": "Some.Code", "Location": "/elsewhere"}
    async with serve(always(status, **headers)) as service:
        calls = [
            service.pubsub.add_connection("lobby", "c-1"),
            service.pubsub.send_to_group("lobby", b"hello", "text/plain"),
            service.pubsub.list_group("lobby"),
            service.pubsub.send_to_connection("c-1", b"hello", "text/plain"),
            service.pubsub.check_health(),
        ]
        for call in calls:
            error = await error_of(call)
            assert (error.answered, error.retry_after, error.reached) == (status, 7, True)
            assert str(status) in str(error)
            assert "Some.Code" in str(error)
    assert len(service.requests) == len(calls)


async def test_a_redirect_is_not_followed() -> None:
    """The token of the call must not be sent to another URL."""
    async with serve(always(307, Location="/elsewhere")) as service:
        error = await error_of(service.pubsub.send_to_group("lobby", b"hello", "text/plain"))
    assert (error.answered, len(service.requests)) == (307, 1)


@pytest.mark.parametrize("retry_after", ["soon", "Fri, 31 Dec 1999 23:59:59 GMT", "-1"])
async def test_a_retry_after_without_a_number_of_seconds_is_ignored(retry_after: str) -> None:
    async with serve(always(429, **{"Retry-After": retry_after})) as service:
        assert (
            await error_of(service.pubsub.send_to_group("a", b"b", "text/plain"))
        ).retry_after is None


async def test_a_refused_connection_did_not_reach_the_service() -> None:
    """Only in this case a text may be sent again although no response arrived."""
    endpoint = f"http://127.0.0.1:{unused_port()}"
    service = AzurePubSub(Settings(Connection(endpoint, access_key=KEY), "chat"))
    error = await error_of(service.send_to_group("lobby", b"hello", "text/plain"))
    assert (error.answered, error.reached) == (None, False)
    await service.close()


async def test_a_connection_that_breaks_may_have_reached_the_service() -> None:
    """The server closes it after it has read the request."""

    async def drop(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.close()
        return web.Response()

    async with serve(drop) as service:
        error = await error_of(service.pubsub.send_to_group("lobby", b"hello", "text/plain"))
    assert (error.answered, error.reached) == (None, True)


async def test_a_read_timeout_may_have_reached_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pubsub, "READ_SECONDS", 0.05)

    async def wait(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        return web.Response()

    async with serve(wait) as service:
        error = await error_of(service.pubsub.send_to_group("lobby", b"hello", "text/plain"))
    assert (type(error), error.answered, error.reached) == (UnansweredError, None, True)


async def test_errors_have_no_key_and_no_token() -> None:
    """This includes the whole chain of exceptions."""

    async def echo(request: web.Request) -> web.StreamResponse:
        return web.Response(status=400, text="no")

    async with serve(echo) as service:
        error = await error_of(service.pubsub.send_to_group("lobby", b"hello", "text/plain"))
    token = service.requests[0].headers["Authorization"].removeprefix("Bearer ")
    shown = "".join(format_exception(error)) + repr(error)
    assert KEY not in shown
    assert token not in shown


def test_an_identity_may_use_plain_http_on_this_machine_only() -> None:
    """For other hosts the SDK enforces https."""
    for endpoint, options in (
        ("http://127.0.0.1:8080", {"enforce_https": False}),
        ("https://demo.webpubsub.azure.com", {}),
    ):
        connection = Connection(endpoint, managed_identity=True)
        assert pubsub.transport_options(connection) == options
