"""Whoever should not get in, does not, and the service has seen nothing of it.

The stack is as in production: guests, the shipped policy, and limits. What each test asserts of the
service is the emulator's own view of itself.
"""

import asyncio
import base64
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from localdev.host.states import encode_states
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.test_events import connect_body, post_event
from webpubsub_emulator.tokens import ACCESS_KEY
from webpubsub_emulator.upstream import sign

GUARDED = {"USHER_AUTH": "anonymous", "USHER_POLICY_FILE": "policy.json"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The stack, with a look into the emulator."""
    log_file = tmp_path_factory.mktemp("guarded") / "log"
    with run([*UP, "--control"], log_file, GUARDED) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@asynccontextmanager
async def nothing_changes(session: aiohttp.ClientSession, stack: Running) -> AsyncIterator[None]:
    """The emulator has the same connections and groups, and was called by nobody."""

    async def look() -> Any:
        async with session.get(f"{stack.facts['control']}/state") as response:
            state = await response.json()
            there = {name: hub for name, hub in state["hubs"].items() if hub["connections"]}
            return there, state["calls"]

    before = await look()
    yield
    assert await look() == before


async def negotiate(
    session: aiohttp.ClientSession, stack: Running, address: str = "", **body: Any
) -> tuple[int, dict[str, Any]]:
    """Status and body; `address` is what a front end would have seen."""
    headers = {"X-Forwarded-For": f"{address}:1234"} if address else {}
    url = f"{stack.facts['host']}/api/negotiate"
    async with session.post(url, json=body, headers=headers) as response:
        return response.status, await response.json() | {
            "retryAfter": response.headers.get("Retry-After")
        }


@asynccontextmanager
async def member(session: aiohttp.ClientSession, stack: Running) -> AsyncIterator[str]:
    """Somebody in the lobby; the connection's id."""
    _, answer = await negotiate(session, stack)
    async with session.ws_connect(answer["url"], protocols=["json.webpubsub.azure.v1"]) as ws:
        connection_id = (await ws.receive_json(timeout=10))["connectionId"]
        stack.wait_for_record(record="join", connectionId=connection_id, sendStatus=202)
        yield connection_id
    stack.wait_for_record(record="leave", connectionId=connection_id, sendStatus=202)


async def test_forbidden_and_unknown_groups_look_alike(
    session: aiohttp.ClientSession, guarded: Running
) -> None:
    """Also where somebody is in it: the same status and the same body."""
    async with member(session, guarded), nothing_changes(session, guarded):
        answers = [
            await negotiate(session, guarded, group=group)
            for group in ("user-ana", "vault", "no-such-group", "lobby2")
        ]
        assert answers[0][0] == 403
        assert answers.count(answers[0]) == len(answers)


async def test_rosters_are_for_who_may_see_them(
    session: aiohttp.ClientSession, guarded: Running
) -> None:
    """A group that is forbidden, with somebody in it, and one that is not there answer alike."""
    groups = f"{guarded.facts['host']}/api/groups"
    async with member(session, guarded):
        async with session.get(f"{groups}/lobby/members") as response:
            assert (response.status, (await response.json())["count"]) == (200, 1)
        token = await mint(guarded, "bo", ["user-bo"])
        async with session.ws_connect(token["url"]):
            guarded.wait_for_record(record="join", userId="bo", group="user-bo", sendStatus=202)
            answers = []
            for group in ("user-bo", "no-such-group"):
                async with session.get(f"{groups}/{group}/members") as response:
                    answers.append((response.status, await response.json()))
        assert answers[0][0] == 403
        assert answers[0] == answers[1]
        guarded.wait_for_record(record="leave", userId="bo", group="user-bo", sendStatus=202)


async def mint(stack: Running, user_id: str, groups: list[str]) -> dict[str, Any]:
    """A token of the service's own, which no policy has seen."""
    async with WebPubSubServiceClient.from_connection_string(
        stack.facts["connectionString"], "chat"
    ) as service:
        return dict(await service.get_client_access_token(user_id=user_id, groups=groups))


async def test_a_token_for_a_group_that_the_policy_does_not_know(
    session: aiohttp.ClientSession, guarded: Running
) -> None:
    """The service signed it, so it is real; the door refuses it all the same."""
    for groups in (["vault"], ["lobby", "vault"], ["user-ana"], []):
        token = await mint(guarded, "bo", groups)
        async with nothing_changes(session, guarded):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(token["url"])
            assert caught.value.status == 401


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"ce-signature": f"sha256={'0' * 64}"}, 401),
        ({"ce-signature": ""}, 401),
        ({"ce-signature": sign("another-connection", ACCESS_KEY)}, 401),
        ({"ce-hub": "other"}, 404),
        ({"WebHook-Request-Origin": "other.example"}, 401),
        ({"ce-connectionState": encode_states({"groups": "lobby"})}, 200),
        ({"ce-connectionState": encode_states({"groups": [".."]})}, 200),
        ({"ce-connectionState": encode_states({"other": ["lobby"]})}, 200),
        ({"ce-userId": "ana%0Aowner", "ce-connectionState": encode_states({})}, 200),
    ],
)
async def test_forged_events_of_a_member(
    session: aiohttp.ClientSession, guarded: Running, changes: dict[str, str], status: int
) -> None:
    """An event of a connection that is there, changed in one place, adds and tells nothing."""
    async with member(session, guarded) as connection_id, nothing_changes(session, guarded):
        for name in ("connected", "disconnected"):
            answer, _ = await post_event(
                session,
                guarded,
                name,
                connection_id=connection_id,
                headers=changes,
                body={"reason": ""},
            )
            assert answer == status


async def test_an_event_without_a_signature_at_all(
    session: aiohttp.ClientSession, guarded: Running
) -> None:
    """As who knows the URL, and not the key, would send it."""
    event = {
        "ce-type": "azure.webpubsub.sys.connected",
        "ce-eventName": "connected",
        "ce-hub": "chat",
        "ce-connectionState": encode_states({"groups": ["lobby"]}),
        "WebHook-Request-Origin": "127.0.0.1",
    }
    url = f"{guarded.facts['host']}/runtime/webhooks/webpubsub"
    async with member(session, guarded) as connection_id, nothing_changes(session, guarded):
        headers = event | {"ce-connectionId": connection_id}
        async with session.post(url, json={}, headers=headers) as response:
            assert response.status == 401


async def test_a_large_body(session: aiohttp.ClientSession, guarded: Running) -> None:
    """1 MB is refused before it is parsed."""
    async with nothing_changes(session, guarded):
        url, body = f"{guarded.facts['host']}/api/negotiate", io.BytesIO(b" " * 2**20)
        async with session.post(url, data=body) as response:
            assert (response.status, (await response.json())["field"]) == (413, "body")


async def test_ten_thousand_requests_at_once(
    session: aiohttp.ClientSession, guarded: Running
) -> None:
    """One address gets a minute's worth; the others never notice, and the service neither."""
    loop, answers = asyncio.get_running_loop(), Counter[int]()
    started = loop.time()

    async def ask(times: int) -> None:
        for _ in range(times):
            status, body = await negotiate(session, guarded, "203.0.113.9")
            answers[status] += 1
            assert (status == 429) == (body["retryAfter"] == "1")

    async with nothing_changes(session, guarded):
        await asyncio.gather(*(ask(200) for _ in range(50)))
        elapsed = loop.time() - started
        assert (await negotiate(session, guarded, "203.0.113.10"))[0] == 200
    assert answers.total() == 10_000
    assert answers.keys() == {200, 429}
    assert 600 <= answers[200] <= 600 + elapsed * 10 + 1


async def test_one_caller_too_often(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Whoever has used up the calls waits; the others of the same backend do not."""
    settings = {"USHER_AUTH": "key", "USHER_CALLER_LIMIT": "2"}
    with run(["localdev", "host", "--json", "--port", "0"], tmp_path / "log", settings) as app:
        statuses = [
            (await negotiate(session, app, "203.0.113.9", userId=user))[0]
            for user in ("ana", "ana", "ana", "bo", "ana")
        ]
        assert statuses == [200, 200, 429, 200, 429]


RED = {"caller": {"claim": "team", "value": "red"}, "group": "team-{claim:team}", "allow": ["join"]}


async def test_claims_decide(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    """With the claims that App Service Authentication vouches for, and no others."""
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"rules": [RED]}))
    settings = {
        "USHER_AUTH": "easyauth",
        "WEBSITE_AUTH_ENABLED": "true",
        "USHER_POLICY_FILE": str(policy),
    }
    with run(["localdev", "host", "--json", "--port", "0"], tmp_path / "log", settings) as app:
        url = f"{app.facts['host']}/api/negotiate"
        for team, group, status in (
            ("red", "team-red", 200),
            ("red", "team-blue", 403),
            ("blue", "team-blue", 403),
            ("blue", "team-red", 403),
        ):
            principal = {"claims": [{"typ": "team", "val": team}]}
            headers = {
                "X-MS-CLIENT-PRINCIPAL-ID": "ana",
                "X-MS-CLIENT-PRINCIPAL": base64.b64encode(json.dumps(principal).encode()).decode(),
            }
            async with session.post(url, json={"group": group}, headers=headers) as response:
                assert response.status == status
                answer = await response.json()
        assert answer["type"] == "urn:problem-type:usher:forbidden"


@pytest.mark.parametrize("content", [None, "{", '{"rules": [{"caller": "all"}]}'])
async def test_without_a_valid_policy_nobody_gets_in(
    session: aiohttp.ClientSession, tmp_path: Path, content: str | None
) -> None:
    """Negotiate, connect and health answer closed; the log says what is wrong."""
    policy = tmp_path / "policy.json"
    if content is not None:
        policy.write_text(content)
    settings = {"USHER_POLICY_FILE": str(policy)}
    with run([*UP, "--control"], tmp_path / "log", settings) as stack:
        async with nothing_changes(session, stack):
            assert (await negotiate(session, stack))[0] == 503
            async with session.get(f"{stack.facts['host']}/api/health") as response:
                assert response.status == 503
            body = connect_body("lobby")
            answer = await post_event(session, stack, "connect", connection_id="c-1", body=body)
            assert answer[0] == 500
        (record, *_) = stack.records(record="settings", function="negotiate")
        assert all(place.startswith("policy.json") for place in record["problems"])
