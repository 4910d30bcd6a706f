"""What a resource, its hubs and a message's time to live are set to."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import WSMsgType

from contract.target import JSON, RELIABLE_JSON, SECONDS, Client, Hub, Target, eventually
from processes import run_emulator

ANONYMOUS, PINGED = "anonymous", "pinged"  # hubs with these settings (hubs.py)


async def first_number(hub: Hub, client: Client) -> int:
    """Recover a client and return the sequence id of its first message."""
    async with hub.recover(client) as again:
        number: int = (await again.receive())["sequenceId"]
        again.drop()
    return number


@pytest.mark.specified
async def test_a_message_of_the_app_expires(hub: Hub) -> None:
    """`messageTtlSeconds` of the REST specification: after it a message is dropped."""
    async with hub.connect(RELIABLE_JSON, user="ann") as client:
        client.drop()
        for seconds in (1, 0):
            path = f"/users/ann/:send?messageTtlSeconds={seconds}"
            assert (await hub.call("POST", path, "1")).status == 202
        assert await first_number(hub, client) == 1
        await eventually(lambda: first_number(hub, client), 2)


@pytest.mark.inferred
async def test_a_message_of_a_client_expires(hub: Hub) -> None:
    """`ttlSeconds` has the limits of the REST parameter, so it is taken to mean the same."""
    async with (
        hub.connect(RELIABLE_JSON, group="g") as client,
        hub.connect(role="webpubsub.sendToGroup.g") as sender,
    ):
        client.drop()
        await sender.send(type="sendToGroup", group="g", data=1, ttlSeconds=1)
        await sender.ask(1, type="sendToGroup", group="g", data=2)
        await eventually(lambda: first_number(hub, client), 2)


@pytest.mark.specified
async def test_a_hub_may_accept_clients_without_a_token(emulator_only: Target) -> None:
    """`anonymousConnectPolicy`, which is "deny" where it is not set."""
    hub = Hub(emulator_only, ANONYMOUS)
    async with emulator_only.open(hub.client_path, [JSON]) as client:
        assert (await client.receive())["userId"] is None
    assert await emulator_only.refusal("/client/hubs/other", [JSON]) == 401


@pytest.mark.inferred
async def test_a_bad_token_is_refused_where_none_is_needed(emulator_only: Target) -> None:
    hub = Hub(emulator_only, ANONYMOUS)
    assert await emulator_only.refusal(hub.client_path, [JSON], "x") == 401


@pytest.mark.specified
async def test_the_service_sends_websocket_pings(emulator_only: Target) -> None:
    """At the interval `webSocketKeepAliveIntervalInSeconds` of the hub."""
    hub = Hub(emulator_only, PINGED)
    async with emulator_only.open(hub.client_path, token=hub.token(), autoping=False) as client:
        message = await client.websocket.receive(timeout=SECONDS)
        assert message.type is WSMsgType.PING


@pytest.mark.inferred
async def test_a_client_that_does_not_answer_pings_is_dropped(emulator_only: Target) -> None:
    hub = Hub(emulator_only, PINGED)
    async with emulator_only.open(hub.client_path, token=hub.token(), autoping=False) as client:
        message = await client.websocket.receive(timeout=SECONDS)
        assert message.type is WSMsgType.PING
        message = await client.websocket.receive(timeout=SECONDS)
        assert message.type in (WSMsgType.CLOSED, WSMsgType.CLOSE)


@pytest.mark.specified
async def test_the_free_tier_has_20_connections(emulator_only: Target, tmp_path: Path) -> None:
    """Web PubSub's limits say how many; the documentation of metrics, that more are refused."""
    with run_emulator(tmp_path / "log", "--units", "free") as emulator:
        string = emulator.facts["connectionString"]
        hub = Hub(Target.from_connection_string(string, is_emulator=True), "chat")
        async with AsyncExitStack() as clients:
            for _ in range(20):
                await clients.enter_async_context(hub.connect())
            assert await hub.target.refusal(hub.client_path, [JSON], hub.token()) == 429
