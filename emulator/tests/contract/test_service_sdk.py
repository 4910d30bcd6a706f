"""Microsoft's data plane client, azure-messaging-webpubsubservice, blocking and asynchronous."""

import asyncio
import inspect
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.messaging.webpubsubservice import WebPubSubServiceClient as SyncServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from contract.target import JSON, Client, Hub, eventually
from unit.app import App


class Official:
    """An official client. The blocking one runs in a thread."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def __call__(self, name: str, *values: Any, **options: Any) -> Any:
        """Call a method by its name and return the result."""
        method = getattr(self._client, name)
        if isinstance(self._client, SyncServiceClient):
            return await asyncio.to_thread(method, *values, **options)
        return await method(*values, **options)

    async def pages(self, **options: Any) -> list[list[str]]:
        """Return the connection ids of each page of a listing."""
        pages = self._client.list_connections(**options).by_page()
        if isinstance(self._client, SyncServiceClient):
            return await asyncio.to_thread(
                lambda: [[member.connection_id for member in page] for page in pages]
            )
        return [[member.connection_id async for member in page] async for page in pages]

    async def close(self) -> None:
        """Close the client's HTTP connections."""
        closed = self._client.close()
        if inspect.isawaitable(closed):
            await closed


forms = pytest.mark.parametrize(
    "form", [SyncServiceClient, WebPubSubServiceClient], ids=["sync", "aio"]
)
pytestmark = forms


@pytest.fixture
async def official(form: Any, hub: Hub) -> AsyncIterator[Official]:
    """Provide the client of the test's hub."""
    client = Official(form.from_connection_string(hub.target.connection_string, hub.name))
    yield client
    await client.close()


@pytest.mark.specified
async def test_the_sdk_changes_memberships(hub: Hub, official: Official) -> None:
    """One group or all groups, by connection or by user."""
    async with hub.connect(user="ann") as client:
        one = client.connection_id
        await official("add_connection_to_group", "a", one)
        await official("add_user_to_group", "b", "ann")
        assert [await official("group_exists", name) for name in "abc"] == [True, True, False]
        await official("remove_connection_from_group", "a", one)
        await official("remove_user_from_group", "b", "ann")
        assert [await official("group_exists", name) for name in "ab"] == [False, False]
        for remove, name in (
            ("remove_connection_from_all_groups", one),
            ("remove_user_from_all_groups", "ann"),
        ):
            for group in "ab":
                await official("add_connection_to_group", group, one)
            await official(remove, name)
            assert [await official("group_exists", group) for group in "ab"] == [False, False]


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("method", "names", "code"),
    [
        ("add_connection_to_group", ("g", "x"), "Error.Connection.NotExisted"),
        ("add_user_to_group", ("g", "x"), "Warning.User.NotExisted"),
        ("grant_permission", ("sendToGroup", "x"), "Info.Connection.NotExisted"),
    ],
)
async def test_the_sdk_raises_the_error_of_a_missing_resource(
    official: Official, method: str, names: tuple[str, ...], code: str
) -> None:
    """ResourceNotFoundError has the service's error code."""
    options = {"target_name": "g"} if method == "grant_permission" else {}
    with pytest.raises(ResourceNotFoundError) as caught:
        await official(method, *names, **options)
    assert caught.value.error is not None
    assert caught.value.error.code == code


@pytest.mark.specified
async def test_the_sdk_checks_connections_groups_and_users(hub: Hub, official: Official) -> None:
    methods = ("connection_exists", "group_exists", "user_exists")
    assert [await official(method, "x") for method in methods] == [False, False, False]
    async with hub.connect(user="ann", group="g") as client:
        names = (client.connection_id, "g", "ann")
        found = [await official(*pair) for pair in zip(methods, names, strict=True)]
        assert found == [True, True, True]


@pytest.mark.specified
async def test_the_sdk_lists_connections_page_by_page(hub: Hub, official: Official) -> None:
    """In the order of ids, to the end or to `top`. Each request is signed."""
    async with AsyncExitStack() as clients:
        opened = [await clients.enter_async_context(hub.connect(group="a b")) for _ in range(5)]
        ids = sorted(client.connection_id for client in opened)
        pages = await official.pages(group="a b", maxpagesize=2)
        assert pages == [ids[:2], ids[2:4], ids[4:]]
        assert await official.pages(group="a b", maxpagesize=2, top=3) == [ids[:2], ids[2:3]]
        assert await official.pages(group="a b", top=3) == [ids[:3]]
        assert await official.pages(group="none") == [[]]


@pytest.mark.specified
async def test_the_sdk_cannot_name_a_group_with_a_slash(hub: Hub, official: Official) -> None:
    """The slash that it encodes is not decoded: it names the group a%2Fb."""
    async with hub.connect(group="a%2Fb") as client, hub.connect(group="a/b"):
        assert await official.pages(group="a/b") == [[client.connection_id]]


@pytest.mark.specified
async def test_the_sdk_sends_to_all_a_group_a_user_or_a_connection(
    hub: Hub, official: Official
) -> None:
    """In each type, with filters and exclusions."""
    async with hub.connect(user="ann", group="g") as ann, hub.connect(user="bob") as bob:
        sent: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
            (("send_to_all", "a"), {"filter": "userId eq 'ann'"}),
            (("send_to_all", {"b": 1}), {"excluded": [bob.connection_id]}),
            (("send_to_group", "g", "c"), {"content_type": "text/plain"}),
            (("send_to_user", "ann", [1]), {"filter": "'g' in groups"}),
            (("send_to_connection", ann.connection_id, io.BytesIO(b"\xff")),
             {"content_type": "application/octet-stream"}),
        ]  # fmt: skip
        received = []
        for values, options in sent:
            await official(*values, **options)
            frame = await ann.receive()
            received.append((frame["from"], frame["dataType"], frame["data"]))
        assert received == [
            ("server", "json", "a"),
            ("server", "json", {"b": 1}),
            ("group", "text", "c"),
            ("server", "json", [1]),
            ("server", "binary", "/w=="),
        ]
        await official("send_to_connection", "unknown", "lost")
        await official("send_to_all", "last")
        assert (await bob.receive())["data"] == "last"


@pytest.mark.recorded
async def test_the_sdk_raises_the_error_of_an_invalid_filter(official: Official) -> None:
    """The message of HttpResponseError names the mistake."""
    with pytest.raises(HttpResponseError, match="expect 'int'") as caught:
        await official("send_to_all", "x", filter="userId lt 1")
    assert caught.value.status_code == 400


@pytest.mark.specified
async def test_the_sdk_changes_permissions(hub: Hub, official: Official) -> None:
    """They take effect with the client's next frame."""
    async with hub.connect() as client:
        names = ("joinLeaveGroup", client.connection_id)
        for change, has, outcome in (
            ("grant_permission", True, "done"),
            ("revoke_permission", False, "Forbidden"),
        ):
            await official(change, *names, target_name="g")
            assert await official("has_permission", *names, target_name="g") is has
            assert await client.ask(int(has), type="joinGroup", group="g") == outcome
    assert not await official("has_permission", "sendToGroup", "x", target_name="g")
    await official("revoke_permission", "sendToGroup", "x", target_name="g")


@pytest.mark.specified
async def test_the_sdk_closes_connections_with_a_reason(hub: Hub, official: Official) -> None:
    """All, a group, a user or one connection, except excluded ones."""
    async with AsyncExitStack() as opened:
        clients: list[Client] = [
            await opened.enter_async_context(hub.connect(user="ann", group="g")) for _ in range(4)
        ]
        ids = [client.connection_id for client in clients]
        await official("close_user_connections", "ann", excluded=ids[1:], reason="one")
        await official("close_group_connections", "g", excluded=ids[2:], reason="two")
        await official("close_all_connections", excluded=ids[3:], reason="three")
        await official("close_connection", ids[3], reason="four")
        for client, reason in zip(clients, ("one", "two", "three", "four"), strict=True):
            assert (await client.receive())["message"].endswith(f"Reason: {reason}")
            assert await client.receive_close() == (1000, "")
        await eventually(lambda: official("user_exists", "ann"), expected=False)
        await official("close_connection", ids[0])


@pytest.mark.specified
async def test_a_token_signed_by_the_sdk_is_accepted(
    form: Any, hub: Hub, official: Official
) -> None:
    """The hub may have capital letters."""
    upper = Hub(hub.target, hub.name.upper())
    client = Official(form.from_connection_string(hub.target.connection_string, upper.name))
    for signer, at in ((official, hub), (client, upper), (client, hub)):
        token = await signer("get_client_access_token", user_id="ann", groups=["g"])
        async with hub.target.open(at.client_path, [JSON], token["token"]) as opened:
            assert (await opened.receive())["userId"] == "ann"
            assert await official("group_exists", "g")
    await client.close()


@pytest.mark.specified
async def test_another_key_is_an_authentication_error(form: Any, hub: Hub) -> None:
    string = f"Endpoint={hub.target.endpoint};AccessKey={'k' * 44};Version=1.0;"
    client = Official(form.from_connection_string(string, hub.name))
    with pytest.raises(ClientAuthenticationError):
        await client("user_exists", "ann")
    await client.close()


@pytest.mark.specified
async def test_permission_1001_is_a_conflict(form: Any, handled: Hub, app: App) -> None:
    """A connection has at most 1,000 permissions for an action. Raises ResourceExistsError."""
    roles = [f"webpubsub.sendToGroup.g{number}" for number in range(1000)]
    app.scripts["connect"] = [web.json_response({"roles": roles})]
    client = Official(form.from_connection_string(handled.target.connection_string, handled.name))
    async with handled.connect() as opened:
        name = opened.connection_id
        with pytest.raises(ResourceExistsError) as caught:
            await client("grant_permission", "sendToGroup", name, target_name="x")
    await client.close()
    assert caught.value.error is not None
    assert caught.value.error.code == "Error.Connection.Conflict"
