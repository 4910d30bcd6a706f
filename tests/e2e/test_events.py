"""Events that Web PubSub itself never sends, posted to the webhook of the running app."""

import hashlib
import hmac
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from localdev.host.states import encode_states
from tests.e2e.processes import Running
from webpubsub_emulator import ACCESS_KEY


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def post_event(
    session: aiohttp.ClientSession,
    app: Running,
    name: str,
    *,
    connection_id: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, str]:
    """Post a correctly signed event; return status and text. `headers` replace its headers."""
    event = event_headers(name, connection_id) | (headers or {})
    url = f"{app.facts['host']}/runtime/webhooks/webpubsub"
    async with session.post(url, json=body or {}, headers=event) as response:
        return response.status, await response.text()


def event_headers(name: str, connection_id: str) -> dict[str, str]:
    signature = hmac.digest(ACCESS_KEY.encode(), connection_id.encode(), hashlib.sha256).hex()
    return {
        "ce-specversion": "1.0",
        "ce-type": f"azure.webpubsub.sys.{name}",
        "ce-source": f"/hubs/chat/client/{connection_id}",
        "ce-id": "1",
        "ce-time": "2026-11-24T10:00:00Z",
        "ce-hub": "chat",
        "ce-connectionId": connection_id,
        "ce-eventName": name,
        "ce-userId": "ana",
        "ce-signature": f"sha256={signature}",
        "WebHook-Request-Origin": "127.0.0.1",
    }


def connect_body(*groups: str, roles: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "claims": {"sub": ["ana"], "webpubsub.group": list(groups), "role": list(roles)},
        "query": {},
        "headers": {},
        "subprotocols": [],
        "clientCertificates": [],
    }


async def read_state(session: aiohttp.ClientSession, app: Running, connection_id: str) -> str:
    """Return the state that `connect` returns for a connection of ana in the lobby."""
    url = f"{app.facts['host']}/runtime/webhooks/webpubsub"
    headers = event_headers("connect", connection_id)
    async with session.post(url, json=connect_body("lobby"), headers=headers) as response:
        return response.headers["ce-connectionState"]


@pytest.mark.parametrize("roles", [(), ("webpubsub.sendToGroup.a",)])
async def test_connect_keeps_the_groups_and_roles_of_the_token(
    session: aiohttp.ClientSession, key_stack: Running, roles: tuple[str, ...]
) -> None:
    """It keeps the groups by not naming them, and the roles by naming them."""
    body = connect_body("a", "b", roles=roles)
    status, text = await post_event(session, key_stack, "connect", connection_id="c-1", body=body)
    assert status == 200
    expected = {"userId": "ana", "groups": None, "roles": [*roles], "subprotocol": None}
    assert json.loads(text) == expected


@pytest.mark.parametrize("states", [{"groups": "lobby"}, {"other": 1}])
async def test_connect_refuses_an_event_with_a_connection_state(
    session: aiohttp.ClientSession, key_stack: Running, states: dict[str, Any]
) -> None:
    """A connection has no state before `connect` was answered."""
    headers = {"ce-connectionState": encode_states(states)}
    status, _ = await post_event(
        session,
        key_stack,
        "connect",
        connection_id="c-1",
        body=connect_body("a"),
        headers=headers,
    )
    assert status == 401


async def test_connect_refuses_a_token_without_groups(
    session: aiohttp.ClientSession, key_stack: Running
) -> None:
    """The service passes the status and the text to the client."""
    status, text = await post_event(
        session, key_stack, "connect", connection_id="c-1", body=connect_body()
    )
    assert status == 401
    assert "group" in text


@pytest.mark.parametrize("states", [None, {}, {"groups": []}, {"groups": "lobby"}, {"other": 1}])
async def test_connected_without_a_valid_state_is_refused_and_logged(
    session: aiohttp.ClientSession, key_stack: Running, states: dict[str, Any] | None
) -> None:
    """Nothing is added or announced: the log does not have the connection's id."""
    connection_id = uuid.uuid4().hex
    headers = {} if states is None else {"ce-connectionState": encode_states(states)}
    refusals = len(key_stack.records(record="refusal", function="connected"))
    answer = await post_event(
        session, key_stack, "connected", connection_id=connection_id, headers=headers
    )
    assert answer == (200, "")
    assert len(key_stack.records(record="refusal", function="connected")) == refusals + 1
    assert connection_id not in key_stack.log()


async def test_a_closed_connection_is_recorded_as_gone_and_not_announced(
    session: aiohttp.ClientSession, key_stack: Running
) -> None:
    """The app retries the add for 2 s, because the service may see a new connection late."""
    connection_id = uuid.uuid4().hex
    headers = {"ce-connectionState": await read_state(session, key_stack, connection_id)}
    await post_event(session, key_stack, "connected", connection_id=connection_id, headers=headers)
    (record,) = key_stack.records(record="join", connectionId=connection_id)
    assert (record["failure"], record["addStatus"], record["sendStatus"]) == ("gone", None, None)
    assert 2000 <= record["milliseconds"] < 5000


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"ce-signature": "sha256=00"}, 401),
        ({"ce-hub": "other"}, 404),
        ({"WebHook-Request-Origin": "other.example"}, 401),
    ],
)
async def test_the_extension_refuses_forged_events(
    session: aiohttp.ClientSession, key_stack: Running, changes: dict[str, str], status: int
) -> None:
    """The app never receives them."""
    found, _ = await post_event(
        session, key_stack, "connected", connection_id="c-1", headers=changes
    )
    assert found == status
