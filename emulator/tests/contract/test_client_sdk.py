"""Microsoft's WebSocket client, azure-messaging-webpubsubclient."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubclient.aio import WebPubSubClient as AsyncWebPubSubClient
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    OpenClientError,
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)

from contract.target import ANY_GROUP, JSON, RELIABLE_JSON, SECONDS, Client, Hub, eventually
from unit.app import App

PROTOCOLS = {JSON: WebPubSubProtocolType.JSON, RELIABLE_JSON: WebPubSubProtocolType.JSON_RELIABLE}
DATA: list[tuple[Any, Any]] = [
    ("text", WebPubSubDataType.TEXT),
    ({"a": 1}, WebPubSubDataType.JSON),
    (memoryview(b"\xff"), WebPubSubDataType.BINARY),
]
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


def access_url(hub: Hub, **claims: Any) -> str:
    """Return a client access URL."""
    endpoint = hub.target.endpoint.replace("http", "ws", 1)
    return f"{endpoint}{hub.client_path}?access_token={hub.token(**claims)}"


def make_client(hub: Hub, protocol: str = RELIABLE_JSON, **claims: Any) -> AsyncWebPubSubClient:
    """Return a client that reports failures at once.

    The timeout is short because the client can miss an ack.
    """
    return AsyncWebPubSubClient(
        access_url(hub, **claims),
        protocol_type=PROTOCOLS[protocol],
        ack_timeout=2,
        auto_reconnect=False,
        message_retry_total=0,
    )


def make_blocking_client(hub: Hub, **claims: Any) -> WebPubSubClient:
    """Return the client that uses threads.

    It can miss that it is open; then it waits for `start_timeout`.
    """
    return WebPubSubClient(access_url(hub, **claims), start_timeout=5, auto_reconnect=False)


async def listen(client: Any, kind: CallbackType) -> asyncio.Queue[Any]:
    """Return a queue that gets what the client receives of one kind from now on."""
    received: asyncio.Queue[Any] = asyncio.Queue()

    async def on_message(message: Any) -> None:
        received.put_nowait(message)

    await client.subscribe(kind, on_message)
    return received


@pytest.mark.specified
@each_protocol
async def test_the_sdk_joins_publishes_and_leaves(hub: Hub, protocol: str) -> None:
    """It publishes each type of data and receives its own messages."""
    client = make_client(hub, protocol, user="ann", role=ANY_GROUP)
    received = await listen(client, CallbackType.GROUP_MESSAGE)
    async with client:
        await client.join_group("g")
        for number, (data, data_type) in enumerate(DATA, start=1):
            await client.send_to_group("g", data, data_type)
            message = await asyncio.wait_for(received.get(), SECONDS)
            assert (message.group, message.from_user_id) == ("g", "ann")
            assert (message.data, message.data_type) == (data, data_type)
            assert message.sequence_id == (number if protocol == RELIABLE_JSON else None)
        await client.leave_group("g")
        await eventually(lambda: hub.has("/groups/g"), expected=False)


@pytest.mark.specified
async def test_the_sdk_raises_what_the_service_refuses(hub: Hub) -> None:
    """The error has the service's name for it."""
    async with make_client(hub, JSON) as client:
        with pytest.raises(SendMessageError) as caught:
            await client.send_to_group("g", "x", WebPubSubDataType.TEXT)
        assert caught.value.error_detail is not None
        assert caught.value.error_detail.name == "Forbidden"


@pytest.mark.specified
async def test_the_sdk_raises_the_failure_of_an_event_without_a_handler(hub: Hub) -> None:
    async with make_client(hub, JSON) as client:
        with pytest.raises(SendMessageError) as caught:
            await client.send_event("e", "x", WebPubSubDataType.TEXT)
        assert caught.value.error_detail is not None
        assert caught.value.error_detail.name == "InternalServerError"


@pytest.mark.specified
async def test_the_sdk_receives_messages_of_the_server(hub: Hub) -> None:
    """Metadata, which it does not know, do no harm."""
    client = make_client(hub, JSON)
    received = await listen(client, CallbackType.SERVER_MESSAGE)
    async with client:
        await hub.call("POST", "/:send", '"x"', **{"X-WebPubSub-Metadata-k": "v"})
        assert (await asyncio.wait_for(received.get(), SECONDS)).data == "x"


@pytest.mark.specified
async def test_the_sdk_receives_the_reason_of_a_close(hub: Hub) -> None:
    """The reason is in the frame before the close frame."""
    client = make_client(hub, JSON, user="ann")
    received = await listen(client, CallbackType.DISCONNECTED)
    async with client:
        await hub.call("POST", "/users/ann/:closeConnections?reason=late")
        message = (await asyncio.wait_for(received.get(), SECONDS)).message
    assert message == "Application server closed the connection. Reason: late"


@pytest.mark.specified
async def test_the_sdk_recovers_its_connection(hub: Hub) -> None:
    """After the loss of its socket it has the same connection and missed no message."""
    client = make_client(hub, user="ann")
    received = await listen(client, CallbackType.SERVER_MESSAGE)
    connected = await listen(client, CallbackType.CONNECTED)
    async with client:
        name = (await asyncio.wait_for(connected.get(), SECONDS)).connection_id
        assert client._ws is not None
        assert client._ws.sock is not None
        Client(client._ws.sock).drop()
        await hub.send("1", "/users/ann")
        assert (await asyncio.wait_for(received.get(), SECONDS)).data == "1"
        assert client._connection_id == name
        await hub.send("2", f"/connections/{name}")
        assert (await asyncio.wait_for(received.get(), SECONDS)).sequence_id == 2


@pytest.mark.specified
async def test_the_blocking_sdk_opens_publishes_receives_and_closes(hub: Hub) -> None:
    loop = asyncio.get_running_loop()
    received: asyncio.Queue[Any] = asyncio.Queue()
    client = make_blocking_client(hub, group="g", role=ANY_GROUP)

    def on_message(message: Any) -> None:
        loop.call_soon_threadsafe(received.put_nowait, message.data)

    client.subscribe(CallbackType.GROUP_MESSAGE, on_message)
    await asyncio.to_thread(client.open)
    # The client can miss an ack.
    await asyncio.to_thread(client.send_to_group, "g", "x", WebPubSubDataType.TEXT, ack=False)
    assert await asyncio.wait_for(received.get(), SECONDS) == "x"
    await asyncio.to_thread(client.close)


# --- with an event handler ---------------------------------------------------------------


@pytest.mark.specified
@each_protocol
async def test_the_sdk_sends_events_and_receives_the_answer(
    handled: Hub, app: App, protocol: str
) -> None:
    app.scripts["greet"] = [web.json_response({"hello": "ann"})]
    client = make_client(handled, protocol, user="ann")
    received = await listen(client, CallbackType.SERVER_MESSAGE)
    async with client:
        await client.send_event("greet", "hi", WebPubSubDataType.TEXT)
        assert (await asyncio.wait_for(received.get(), SECONDS)).data == {"hello": "ann"}
    assert app.last("greet").body == b"hi"


@pytest.mark.specified
async def test_the_sdk_fails_to_open_if_the_app_refuses(handled: Hub, app: App) -> None:
    app.scripts["connect"] = [web.Response(status=403)]
    client = make_blocking_client(handled)
    with pytest.raises(OpenClientError, match="403"):
        await asyncio.to_thread(client.open)
