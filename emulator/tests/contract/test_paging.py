"""Pages of a group's connections (REST reference, "List Connections In Group")."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from yarl import URL

from contract.target import Answer, Hub

CONNECTIONS = "/groups/g/connections"


@pytest.fixture
async def ids(hub: Hub) -> AsyncIterator[list[str]]:
    """The connections of user ann in groups g and h, in the order of their ids."""
    async with AsyncExitStack() as clients:
        opened = [
            await clients.enter_async_context(hub.connect(user="ann", group=["g", "h"]))
            for _ in range(5)
        ]
        yield sorted(client.connection_id for client in opened)


def names(page: Answer) -> list[str]:
    """The connection ids of a page."""
    assert page.status == 200
    return [member["connectionId"] for member in page.body["value"]]


def link(page: Answer) -> str:
    """The query of the link to the next page."""
    return URL(page.body["nextLink"]).raw_query_string


async def test_a_page(hub: Hub, ids: list[str]) -> None:
    """Everybody, in the order of ids, each with its user; and no link."""
    page = await hub.call("GET", CONNECTIONS)
    assert page.body["value"] == [{"connectionId": one, "userId": "ann"} for one in ids]
    assert page.body.get("nextLink") is None
    assert page.headers["Content-Type"].startswith("application/json")


async def test_an_anonymous_connection(hub: Hub) -> None:
    """It has no user."""
    async with hub.connect(group="g") as client:
        page = await hub.call("GET", CONNECTIONS)
        assert names(page) == [client.connection_id]
        assert page.body["value"][0].get("userId") is None


async def test_an_empty_group(hub: Hub) -> None:
    """One page without anybody."""
    page = await hub.call("GET", CONNECTIONS)
    assert (page.status, page.body["value"], page.body.get("nextLink")) == (200, [], None)


async def test_pages_follow_each_other(hub: Hub, ids: list[str]) -> None:
    """Links lead from page to page to the end."""
    found = []
    query = "maxpagesize=2"
    for size in (2, 2, 1):
        page = await hub.call("GET", f"{CONNECTIONS}?{query}")
        assert len(names(page)) == size
        found += names(page)
        query = link(page) if page.body.get("nextLink") else ""
    assert (found, query) == (ids, "")


async def test_top_ends_the_pages(hub: Hub, ids: list[str]) -> None:
    """It counts down in the links, and the last page has none."""
    page = await hub.call("GET", f"{CONNECTIONS}?top=3&maxpagesize=2")
    assert URL(page.body["nextLink"]).query["top"] == "1"
    last = await hub.call("GET", f"{CONNECTIONS}?{link(page)}")
    assert (names(page) + names(last), last.body.get("nextLink")) == (ids[:3], None)


async def test_a_link(hub: Hub, ids: list[str]) -> None:
    """It is absolute, and has the version, the page size and the cursor."""
    page = await hub.call("GET", f"{CONNECTIONS}?maxpagesize=2")
    url = URL(page.body["nextLink"])
    assert str(url.with_query(None)) == f"{hub.target.endpoint}/api/hubs/{hub}{CONNECTIONS}"
    assert url.query.keys() == {"api-version", "maxpagesize", "continuationToken"}
    assert (url.query["api-version"], url.query["maxpagesize"]) == ("2024-12-01", "2")


async def test_who_leaves_shifts_nobody(hub: Hub, ids: list[str]) -> None:
    """The next page begins behind the last one, whoever has left."""
    page = await hub.call("GET", f"{CONNECTIONS}?maxpagesize=2")
    await hub.call("DELETE", f"/groups/g/connections/{ids[0]}")
    assert names(await hub.call("GET", f"{CONNECTIONS}?{link(page)}")) == ids[2:4]


async def test_a_cursor_is_for_its_group(hub: Hub, ids: list[str]) -> None:
    """Another group, another hub, or a changed cursor is 400; the hub's case does not count."""
    page = await hub.call("GET", f"{CONNECTIONS}?maxpagesize=2")
    other = Hub(hub.target, f"{hub}other")
    assert (await hub.call("GET", f"/groups/h/connections?{link(page)}")).status == 400
    assert (await hub.call("GET", f"/groups/G/connections?{link(page)}")).status == 400
    assert (await other.call("GET", f"{CONNECTIONS}?{link(page)}")).status == 400
    assert (await hub.call("GET", f"{CONNECTIONS}?{link(page)}x")).status == 400
    upper = Hub(hub.target, hub.name.upper())
    assert names(await upper.call("GET", f"{CONNECTIONS}?{link(page)}")) == ids[2:4]


async def test_a_cursor_twice(hub: Hub, ids: list[str]) -> None:
    """Even a good one is 400 then."""
    page = await hub.call("GET", f"{CONNECTIONS}?maxpagesize=2")
    cursor = URL(page.body["nextLink"]).query["continuationToken"]
    query = f"continuationToken={cursor}"
    assert names(await hub.call("GET", f"{CONNECTIONS}?{query}")) == ids[2:]
    assert (await hub.call("GET", f"{CONNECTIONS}?{query}&{query}")).status == 400


@pytest.mark.parametrize("cursor", ["", "garbage", pytest.param("x" * 2049, id="2,049 characters")])
async def test_bad_cursors(hub: Hub, cursor: str) -> None:
    """What the service has not made is 400."""
    answer = await hub.call("GET", f"{CONNECTIONS}?continuationToken={cursor}")
    assert answer.status == 400


async def test_each_page_needs_a_token(hub: Hub, ids: list[str]) -> None:
    """A link alone opens nothing."""
    page = await hub.call("GET", f"{CONNECTIONS}?maxpagesize=2")
    answer = await hub.call("GET", f"{CONNECTIONS}?{link(page)}", Authorization="")
    assert answer.status == 401
