"""Events that no Web PubSub sends by itself, posted to the webhook of the running app."""

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
from webpubsub_emulator.tokens import ACCESS_KEY


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
    """A correctly signed event; `headers` replace some of it. Status and text of the answer."""
    signature = hmac.digest(ACCESS_KEY.encode(), connection_id.encode(), hashlib.sha256).hex()
    event = {
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
    url = f"{app.facts['host']}/runtime/webhooks/webpubsub"
    async with session.post(url, json=body or {}, headers=event | (headers or {})) as response:
        return response.status, await response.text()


def connect_body(*groups: str) -> dict[str, Any]:
    return {
        "claims": {"sub": ["ana"], "webpubsub.group": list(groups)},
        "query": {},
        "headers": {},
        "subprotocols": [],
        "clientCertificates": [],
    }


async def test_connect_notes_the_groups(session: aiohttp.ClientSession, key_stack: Running) -> None:
    """Admitted with the token's own groups: the answer replaces neither them nor the roles."""
    status, text = await post_event(
        session, key_stack, "connect", connection_id="c-1", body=connect_body("a", "b")
    )
    assert status == 200
    expected = {"userId": "ana", "groups": None, "roles": None, "subprotocol": None}
    assert json.loads(text) == expected


@pytest.mark.parametrize("states", [{"groups": "lobby"}, {"other": 1}])
async def test_connect_refuses_a_state_that_is_not_its_own(
    session: aiohttp.ClientSession, key_stack: Running, states: dict[str, Any]
) -> None:
    """A connection that is being made has none."""
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
    """401, which the service hands on to the client."""
    status, text = await post_event(
        session, key_stack, "connect", connection_id="c-1", body=connect_body()
    )
    assert (status, text) == (401, "The token names no group to enter.")


@pytest.mark.parametrize("states", [None, {}, {"groups": []}, {"groups": "lobby"}, {"other": 1}])
async def test_connected_without_a_valid_state(
    session: aiohttp.ClientSession, key_stack: Running, states: dict[str, Any] | None
) -> None:
    """Adds nobody and announces nothing; the log has an error."""
    connection_id = uuid.uuid4().hex
    headers = {} if states is None else {"ce-connectionState": encode_states(states)}
    refusals = len(key_stack.records(record="refusal", function="connected"))
    answer = await post_event(
        session, key_stack, "connected", connection_id=connection_id, headers=headers
    )
    assert answer == (200, "")
    assert len(key_stack.records(record="refusal", function="connected")) == refusals + 1
    assert connection_id not in key_stack.log()


async def test_connected_of_a_connection_that_is_gone(
    session: aiohttp.ClientSession, key_stack: Running
) -> None:
    """The service answers 404 for 2 s; then it is recorded as gone, and nothing is announced."""
    connection_id = uuid.uuid4().hex
    headers = {"ce-connectionState": encode_states({"groups": ["lobby"]})}
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
async def test_forged_events(
    session: aiohttp.ClientSession, key_stack: Running, changes: dict[str, str], status: int
) -> None:
    """The extension refuses them before the app sees them."""
    found, _ = await post_event(
        session, key_stack, "connected", connection_id="c-1", headers=changes
    )
    assert found == status
