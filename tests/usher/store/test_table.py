"""The table when it is slow, refuses, throttles or is missing; and clocks that differ."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.usher.settings import make_settings
from tests.usher.store.azurite import KEY, azurite, connection_string, run_azurite
from usher.errors import RemovedError, StoreError
from usher.settings import StoreSettings
from usher.store.bans import Bans
from usher.store.entries import Entry
from usher.store.table import TableStore

__all__ = ["azurite"]  # pytest finds it here

type Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEY_NAME = "ban-chat-1"
HOUR = 3600


@asynccontextmanager
async def table_at(endpoint: str) -> AsyncIterator[TableStore]:
    store = TableStore(StoreSettings("table", connection_string=connection_string(endpoint)))
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def table_that(answer: Answer) -> AsyncIterator[TableStore]:
    """Return a table whose service answers like this."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with (
        TestServer(application) as server,
        table_at(str(server.make_url("")).rstrip("/")) as store,
    ):
        yield store


def problem(status: int, code: str, **headers: str) -> web.Response:
    body = {"odata.error": {"code": code, "message": {"lang": "en-US", "value": code}}}
    return web.json_response(body, status=status, headers=headers)


async def refuse_all(store: TableStore) -> None:
    """Expect a StoreError of every call."""
    for call in (
        store.find(KEY_NAME),
        store.put(Entry(KEY_NAME, {}, 1)),
        store.put(Entry(KEY_NAME, {}, 1, 'W/"1"')),
        store.list("ban-", "", 10),
    ):
        with pytest.raises(StoreError) as caught:
            await call
        assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "InternalError"),
        (503, "ServerBusy"),
        (403, "AuthenticationFailed"),
        (403, "AuthorizationFailure"),
        (404, "TableNotFound"),
        (404, "AnythingElse"),
        (400, "InvalidInput"),
    ],
)
async def test_an_answer_that_is_no_answer_about_bans(status: int, code: str) -> None:
    """No table is not the same as no ban."""

    async def answer(request: web.Request) -> web.Response:
        return problem(status, code)

    async with table_that(answer) as store:
        await refuse_all(store)


async def test_a_404_of_something_else() -> None:
    """Such as a proxy, or a wrong host."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=404, text="<html>nothing here</html>")

    async with table_that(answer) as store:
        with pytest.raises(StoreError):
            await store.find(KEY_NAME)


async def test_only_the_code_for_a_missing_row_means_no_ban() -> None:
    async def answer(request: web.Request) -> web.Response:
        return problem(404, "ResourceNotFound")

    async with table_that(answer) as store:
        assert (await store.find(KEY_NAME))[0] is None


async def test_a_short_failure_is_retried() -> None:
    calls = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        return problem(404, "ResourceNotFound") if calls == 2 else problem(500, "InternalError")

    async with table_that(answer) as store:
        assert (await store.find(KEY_NAME))[0] is None
    assert calls == 2


@pytest.mark.parametrize("retry_after", [None, "3600"])
async def test_a_slow_or_throttling_table_does_not_hold_a_client_up(
    retry_after: str | None,
) -> None:
    """A handshake waits for the answer."""

    async def answer(request: web.Request) -> web.Response:
        if retry_after:
            return problem(503, "ServerBusy", **{"Retry-After": retry_after})
        await asyncio.sleep(3600)
        return web.Response()

    async with table_that(answer) as store:
        with pytest.raises(StoreError):
            async with asyncio.timeout(600):  # the store's limit is 3 s, the answer takes an hour
                await store.find(KEY_NAME)


async def test_a_table_that_cannot_be_reached() -> None:
    async with table_at("http://127.0.0.1:1") as store:
        await refuse_all(store)


# --- clocks --------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [-HOUR, HOUR])
async def test_the_time_is_the_service_s(wrong: int) -> None:
    """Also of an answer without a row."""
    date = formatdate(time.time() + wrong, usegmt=True)

    async def answer(request: web.Request) -> web.Response:
        if request.query.get("$filter"):
            return web.json_response({"value": []}, headers={"Date": date})
        return problem(404, "ResourceNotFound", Date=date)

    async with table_that(answer) as store:
        for _, now in (await store.find(KEY_NAME), await store.list("ban-", "", 10)):
            assert abs(now - time.time() - wrong) < 60


@pytest.mark.parametrize("wrong", [-HOUR, HOUR])
async def test_an_instance_whose_clock_is_wrong_by_an_hour(
    azurite: str, monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    """A ban of half an hour is in force for it, from any instance."""
    store = TableStore(StoreSettings("table", connection_string=azurite))
    bans = Bans(store, make_settings(hub="clocks"))
    right = time.time
    try:
        await bans.add("mallory", None, 30, "")
        monkeypatch.setattr("usher.store.table.time.time", lambda: right() + wrong)
        await bans.add(f"eve{wrong}", None, 30, "")
        for user in ("mallory", f"eve{wrong}"):
            with pytest.raises(RemovedError):
                await bans.check(user, [])
        monkeypatch.undo()
        (eve,) = await bans.of_user(f"eve{wrong}")
        assert abs(eve.until - right() - 1800) < 120
    finally:
        await store.close()


async def test_a_table_that_goes_down_and_comes_back() -> None:
    """Between removal and check, and with the same client."""
    with run_azurite() as text:
        store = TableStore(StoreSettings("table", connection_string=text))
        bans = Bans(store, make_settings())
        await bans.add("mallory", None, 30, "")
        with pytest.raises(RemovedError):
            await bans.check("mallory", [])
    with pytest.raises(StoreError):
        await bans.check("mallory", [])
    await store.close()
