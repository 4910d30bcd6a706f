"""Pages of a group's connections (REST reference, "List Connections In Group")."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from yarl import URL

from contract.target import Answer, Hub

CONNECTIONS = "/groups/g/connections"


@pytest.fixture
async def ids(hub: Hub) -> AsyncIterator[list[str]]:
    """Provide five connections of user ann in groups g and h, in the order of their ids."""
    async with AsyncExitStack() as clients:
        opened = [
            await clients.enter_async_context(hub.connect(user="ann", group=["g", "h"]))
            for _ in range(5)
        ]
        yield sorted(client.connection_id for client in opened)


def names(page: Answer) -> list[str]:
    """Return the connection ids of a page."""
    assert page.status == 200
    return [member["connectionId"] for member in page.body["value"]]


def link(page: Answer) -> str:
    """Return the query of the link to the next page."""
    return URL(page.body["nextLink"]).raw_query_string


@pytest.mark.specified
async def test_a_page_lists_connections_in_the_order_of_ids(hub: Hub, ids: list[str]) -> None:
    """Each with its user. The last page has no link."""
    page = await hub.call("GET", CONNECTIONS)
    assert page.body["value"] == [{"connectionId": one, "userId": "ann"} for one in ids]
    assert page.body.get("nextLink") is None
    assert page.headers["Content-Type"].startswith("application/json")


@pytest.mark.specified
async def test_an_anonymous_connection_has_no_user(hub: Hub) -> None:
    async with hub.connect(group="g") as client:
        page = await hub.call("GET", CONNECTIONS)
        assert names(page) == [client.connection_id]
        assert page.body["value"][0].get("userId") is None


@pytest.mark.specified
async def test_an_empty_group_is_one_empty_page(hub: Hub) -> None:
    page = await hub.call("GET", CONNECTIONS)
    assert (page.status, page.body["value"], page.body.get("nextLink")) == (200, [], None)


@pytest.mark.specified
async def test_links_lead_through_all_pages(hub: Hub, ids: list[str]) -> None:
    found = []
    query = "maxpagesize=2"
    for size in (2, 2, 1):
        page = await hub.call("GET", f"{CONNECTIONS}?{query}")
        assert len(names(page)) == size
        found += names(page)
        query = link(page) if page.body.get("nextLink") else ""
    assert (found, query) == (ids, "")


@pytest.mark.specified
async def test_top_limits_all_pages_together(hub: Hub, ids: list[str]) -> None:
    """It counts down in the links."""
    page = await hub.call("GET", f"{CONNECTIONS}?top=3&maxpagesize=2")
    assert URL(page.body["nextLink"]).query["top"] == "1"
    last = await hub.call("GET", f"{CONNECTIONS}?{link(page)}")
    assert (names(page) + names(last), last.body.get("nextLink")) == (ids[:3], None)


@pytest.mark.specified
async def test_a_link_is_absolute_with_version_page_size_and_cursor(
    hub: Hub, ids: list[str]
) -> None:
    page = await hub.call("GET", f"{CONNECTIONS}?maxpagesize=2")
    url = URL(page.body["nextLink"])
    assert str(url.with_query(None)) == f"{hub.target.endpoint}/api/hubs/{hub}{CONNECTIONS}"
    assert url.query.keys() == {"api-version", "maxpagesize", "continuationToken"}
    assert (url.query["api-version"], url.query["maxpagesize"]) == ("2024-12-01", "2")


@pytest.mark.specified
async def test_a_leave_does_not_shift_the_next_page(hub: Hub, ids: list[str]) -> None:
    """The next page starts behind the last id of the previous page."""
    page = await hub.call("GET", f"{CONNECTIONS}?maxpagesize=2")
    await hub.call("DELETE", f"/groups/g/connections/{ids[0]}")
    assert names(await hub.call("GET", f"{CONNECTIONS}?{link(page)}")) == ids[2:4]


@pytest.mark.specified
async def test_a_cursor_is_valid_for_its_group_only(hub: Hub, ids: list[str]) -> None:
    """Another group, another hub or a changed cursor is 400. The hub is case-insensitive."""
    page = await hub.call("GET", f"{CONNECTIONS}?maxpagesize=2")
    other = Hub(hub.target, f"{hub}other")
    assert (await hub.call("GET", f"/groups/h/connections?{link(page)}")).status == 400
    assert (await hub.call("GET", f"/groups/G/connections?{link(page)}")).status == 400
    assert (await other.call("GET", f"{CONNECTIONS}?{link(page)}")).status == 400
    assert (await hub.call("GET", f"{CONNECTIONS}?{link(page)}x")).status == 400
    upper = Hub(hub.target, hub.name.upper())
    assert names(await upper.call("GET", f"{CONNECTIONS}?{link(page)}")) == ids[2:4]


@pytest.mark.specified
async def test_a_repeated_cursor_is_400(hub: Hub, ids: list[str]) -> None:
    page = await hub.call("GET", f"{CONNECTIONS}?maxpagesize=2")
    cursor = URL(page.body["nextLink"]).query["continuationToken"]
    query = f"continuationToken={cursor}"
    assert names(await hub.call("GET", f"{CONNECTIONS}?{query}")) == ids[2:]
    assert (await hub.call("GET", f"{CONNECTIONS}?{query}&{query}")).status == 400


@pytest.mark.specified
@pytest.mark.parametrize("cursor", ["", "garbage", pytest.param("x" * 2049, id="2,049 characters")])
async def test_an_invalid_cursor_is_400(hub: Hub, cursor: str) -> None:
    answer = await hub.call("GET", f"{CONNECTIONS}?continuationToken={cursor}")
    assert answer.status == 400


@pytest.mark.specified
async def test_each_page_needs_a_token(hub: Hub, ids: list[str]) -> None:
    page = await hub.call("GET", f"{CONNECTIONS}?maxpagesize=2")
    answer = await hub.call("GET", f"{CONNECTIONS}?{link(page)}", Authorization="")
    assert answer.status == 401
