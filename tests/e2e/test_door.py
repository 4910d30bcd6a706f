"""Requests, tokens and events that Usher must refuse, without a call or change in the service.

The stack is configured as in production: guests, the shipped policy, and rate limits. The tests
read the state of the service from the emulator's control endpoint.
"""

import asyncio
import base64
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from localdev.host.states import encode_states
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.test_events import connect_body, event_headers, post_event

GUARDED = {"USHER_AUTH": "anonymous", "USHER_POLICY_FILE": "policy.json"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the stack with the control endpoint."""
    log_file = tmp_path_factory.mktemp("guarded") / "log"
    with run([*UP, "--control"], log_file, GUARDED) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@asynccontextmanager
async def nothing_changes(session: aiohttp.ClientSession, stack: Running) -> AsyncIterator[None]:
    """Expect the same connections and groups in the emulator after the block, and no REST call."""

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
    """Return status and body. `address` is the client address that a front end would add."""
    headers = {"X-Forwarded-For": f"{address}:1234"} if address else {}
    url = f"{stack.facts['host']}/api/negotiate"
    async with session.post(url, json=body, headers=headers) as response:
        return response.status, await response.json() | {
            "retryAfter": response.headers.get("Retry-After")
        }


@asynccontextmanager
async def member(session: aiohttp.ClientSession, stack: Running) -> AsyncIterator[str]:
    """Keep a connection in the lobby open during the block, and return its id."""
    _, answer = await negotiate(session, stack)
    async with session.ws_connect(answer["url"], protocols=["json.webpubsub.azure.v1"]) as ws:
        connection_id = (await ws.receive_json(timeout=60))["connectionId"]
        stack.wait_for_record(record="join", connectionId=connection_id, sendStatus=202)
        yield connection_id
    stack.wait_for_record(record="leave", connectionId=connection_id, sendStatus=202)


async def test_forbidden_and_unknown_groups_get_the_same_response(
    session: aiohttp.ClientSession, guarded: Running
) -> None:
    async with member(session, guarded), nothing_changes(session, guarded):
        answers = [
            await negotiate(session, guarded, group=group)
            for group in ("user-ana", "vault", "no-such-group", "lobby2")
        ]
        assert answers[0][0] == 403
        # The id of the visit, which is random.
        assert len({body.pop("instance") for _, body in answers}) == len(answers)
        assert answers.count(answers[0]) == len(answers)


async def test_a_refusal_is_logged_with_caller_group_and_a_hash_of_the_address(
    session: aiohttp.ClientSession, guarded: Running
) -> None:
    """The address itself is not in the log. A roster has the same fields."""
    assert (await negotiate(session, guarded, "203.0.113.77", group="secret-room"))[0] == 403
    url = f"{guarded.facts['host']}/api/groups/secret-room/members"
    headers = {"X-Forwarded-For": "203.0.113.77:80"}
    assert (await session.get(url, headers=headers)).status == 403
    records = [
        record
        for record in guarded.records(record="refusal", status=403)
        if record.get("groups") == ["secret-room"]
    ]
    assert [record["function"] for record in records] == ["negotiate", "roster"]
    assert all(record["userId"].startswith("guest-") and record["reason"] for record in records)
    assert len({record["address"] for record in records}) == 1
    assert "203.0.113.77" not in guarded.log()


async def test_a_refused_client_is_logged_with_its_user_and_groups(
    session: aiohttp.ClientSession, guarded: Running
) -> None:
    token = await generate_token(guarded, "bo", ["lobby"])
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await session.ws_connect(token["url"], origin="https://evil.example")
    (record,) = guarded.records(record="refusal", function="connect", groups=["lobby"])
    assert (record["userId"], record["reason"]) == ("bo", "The origin of the page is not allowed.")


async def test_a_roster_needs_the_permission(
    session: aiohttp.ClientSession, guarded: Running
) -> None:
    """A forbidden group with a member and an unknown group get the same response."""
    groups = f"{guarded.facts['host']}/api/groups"
    async with member(session, guarded):
        async with session.get(f"{groups}/lobby/members") as response:
            assert (response.status, (await response.json())["count"]) == (200, 1)
        token = await generate_token(guarded, "bo", ["user-bo"])
        async with session.ws_connect(token["url"]):
            guarded.wait_for_record(record="join", userId="bo", group="user-bo", sendStatus=202)
            answers = []
            for group in ("user-bo", "no-such-group"):
                async with session.get(f"{groups}/{group}/members") as response:
                    answers.append((response.status, await response.json()))
        assert answers[0][0] == 403
        assert answers[0][1].pop("instance") != answers[1][1].pop("instance")
        assert answers[0] == answers[1]
        guarded.wait_for_record(record="leave", userId="bo", group="user-bo", sendStatus=202)


async def generate_token(
    stack: Running, user_id: str | None, groups: list[str], roles: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a token that the service issued, so that no policy was applied."""
    async with WebPubSubServiceClient.from_connection_string(
        stack.facts["connectionString"], "chat"
    ) as service:
        return dict(
            await service.get_client_access_token(user_id=user_id, groups=groups, roles=list(roles))
        )


async def test_connect_refuses_a_valid_token_for_a_group_that_the_policy_denies(
    session: aiohttp.ClientSession, guarded: Running
) -> None:
    for groups in (["vault"], ["lobby", "vault"], ["user-ana"], []):
        token = await generate_token(guarded, "bo", groups)
        async with nothing_changes(session, guarded):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(token["url"])
            assert caught.value.status == 401


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"ce-signature": f"sha256={'0' * 64}"}, 401),
        ({"ce-signature": ""}, 401),
        ({"ce-signature": event_headers("connect", "another-connection")["ce-signature"]}, 401),
        ({"ce-hub": "other"}, 404),
        ({"WebHook-Request-Origin": "other.example"}, 401),
        ({"ce-connectionState": encode_states({"groups": "lobby"})}, 200),
        ({"ce-connectionState": encode_states({"groups": [".."]})}, 200),
        ({"ce-connectionState": encode_states({"other": ["lobby"]})}, 200),
        ({"ce-connectionState": encode_states({"groups": ["lobby"]})}, 200),
        ({"ce-connectionState": encode_states({"groups": ["lobby"], "seal": "forged"})}, 200),
        ({"ce-userId": "ana%0Aowner", "ce-connectionState": encode_states({})}, 200),
    ],
)
async def test_a_forged_event_of_an_open_connection_has_no_effect(
    session: aiohttp.ClientSession, guarded: Running, changes: dict[str, str], status: int
) -> None:
    """Each event differs from a genuine one in one header."""
    async with member(session, guarded) as connection_id, nothing_changes(session, guarded):
        for name in ("connected", "disconnected"):
            found, _ = await post_event(
                session,
                guarded,
                name,
                connection_id=connection_id,
                headers=changes,
                body={"reason": ""},
            )
            assert found == status


@pytest.mark.parametrize(
    ("settings", "group"),
    [({}, "vault"), ({}, "user-bo"), ({"USHER_STATE_KEY": "k" * 32}, "lobby")],
    ids=["policy: unknown group", "policy: group of another user", "seal"],
)
async def test_with_an_identity_a_forged_state_has_no_effect(
    session: aiohttp.ClientSession, tmp_path: Path, settings: dict[str, str], group: str
) -> None:
    """Events have no signature there, so the system key alone lets a sender forge them."""
    log_file = tmp_path / "log"
    with run(["tests.e2e.identity_stack"], log_file, GUARDED | settings) as stack:
        async with member(session, stack) as connection_id, nothing_changes(session, stack):
            for name in ("connected", "disconnected"):
                states = encode_states({"groups": [group]})
                answer = await post_event(
                    session,
                    stack,
                    name,
                    connection_id=connection_id,
                    headers={"ce-connectionState": states},
                    body={"reason": ""},
                )
                assert answer == (200, "")
                assert stack.wait_for_record(record="refusal", function=name)


QUIET = {"caller": "any", "group": "quiet", "allow": ["join"]}
LOUD = {"caller": "any", "group": "loud", "allow": ["join", "send"]}


async def test_a_connection_may_send_only_where_the_policy_still_allows_it(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Not with a token from before the policy changed, and not without a user."""
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"rules": [QUIET, LOUD]}))
    with run([*UP], tmp_path / "log", {"USHER_POLICY_FILE": str(policy)}) as stack:
        for user_id, group, may_send in (
            ("bo", "loud", True),
            ("bo", "quiet", False),
            (None, "loud", False),
        ):
            roles = [f"webpubsub.sendToGroup.{group}", "webpubsub.sendToGroup"]
            token = await generate_token(stack, user_id, [group], roles)
            protocols = ["json.webpubsub.azure.v1"]
            async with session.ws_connect(token["url"], protocols=protocols) as ws:
                frame = {"type": "sendToGroup", "group": group, "data": 1, "ackId": 1}
                await ws.send_json(frame)
                while (answer := await ws.receive_json(timeout=60))["type"] != "ack":
                    pass
            assert answer["success"] == may_send, (user_id, group)


async def test_an_event_without_a_signature_is_refused(
    session: aiohttp.ClientSession, guarded: Running
) -> None:
    """A sender that knows the URL but not the key could send it."""
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


async def test_a_body_of_1_mib_is_refused(session: aiohttp.ClientSession, guarded: Running) -> None:
    async with nothing_changes(session, guarded):
        url, body = f"{guarded.facts['host']}/api/negotiate", io.BytesIO(b" " * 2**20)
        async with session.post(url, data=body) as response:
            assert (response.status, (await response.json())["field"]) == (413, "body")


async def test_ten_thousand_requests_of_one_address_are_limited(
    session: aiohttp.ClientSession, guarded: Running
) -> None:
    """The address gets the requests of one minute. Another address is not limited."""
    loop, answers = asyncio.get_running_loop(), Counter[int]()
    started = loop.time()

    async def call(times: int) -> None:
        for _ in range(times):
            status, body = await negotiate(session, guarded, "203.0.113.9")
            answers[status] += 1
            assert (status == 429) == (body["retryAfter"] == "1")

    async with nothing_changes(session, guarded):
        await asyncio.gather(*(call(200) for _ in range(50)))
        elapsed = loop.time() - started
        assert (await negotiate(session, guarded, "203.0.113.10"))[0] == 200
    assert answers.total() == 10_000
    assert answers.keys() == {200, 429}
    assert 600 <= answers[200] <= 600 + elapsed * 10 + 1


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the stack with low limits."""
    log_file = tmp_path_factory.mktemp("strict") / "log"
    limits = {
        "USHER_ADDRESS_LIMIT": "5",
        "USHER_CONNECT_LIMIT": "20",
        "USHER_MOST_CONNECTIONS": "3",
        "USHER_MOST_GROUPS": "2",
    }
    with run([*UP, "--control"], log_file, GUARDED | limits) as running:
        yield running


async def open_sockets(
    session: aiohttp.ClientSession, url: str, count: int, sockets: AsyncExitStack
) -> list[int]:
    """Open sockets one after the other, and return the status of each handshake."""
    statuses = []
    for _ in range(count):
        try:
            await sockets.enter_async_context(session.ws_connect(url))
            statuses.append(101)
        except aiohttp.WSServerHandshakeError as error:
            statuses.append(error.status)
    return statuses


async def test_a_user_has_a_limited_number_of_open_connections(
    session: aiohttp.ClientSession, strict: Running
) -> None:
    """The refused client gets 400, because the extension has no 429. A closed one makes room."""
    ana, bo = [(await generate_token(strict, user, ["lobby"]))["url"] for user in ("ana", "bo")]
    async with AsyncExitStack() as sockets:
        assert await open_sockets(session, ana, 5, sockets) == [101, 101, 101, 400, 400]
        assert await open_sockets(session, bo, 1, sockets) == [101]
    for _ in range(3):
        strict.wait_for_record(record="leave", userId="ana")
    strict.wait_for_request("disconnected", 4)
    async with AsyncExitStack() as sockets:
        assert await open_sockets(session, ana, 1, sockets) == [101]
    strict.wait_for_request("disconnected", 5)


async def test_a_user_connects_a_limited_number_of_times_a_minute(
    session: aiohttp.ClientSession, strict: Running
) -> None:
    """A token can be used for several connections, so this limits a token, too."""
    url, statuses = (await generate_token(strict, "cy", ["lobby"]))["url"], list[int]()
    for _ in range(30):
        async with AsyncExitStack() as sockets:
            statuses += await open_sockets(session, url, 1, sockets)
        strict.wait_for_request("disconnected", 5 + statuses.count(101))
    assert 20 <= statuses.count(101) < 30
    assert set(statuses) == {101, 400}
    # The summary of the joins is sent last, up to a second after the leaves.
    strict.wait_for_request("connected", 5 + statuses.count(101))


async def test_a_token_has_a_limited_number_of_groups(
    session: aiohttp.ClientSession, strict: Running
) -> None:
    """One visit must not make hundreds of REST calls, also with a token of the service itself."""
    groups = ["user-di", "lobby", "user-x"]
    status, problem = await negotiate(session, strict, "203.0.113.1", group=groups)
    assert (status, problem["field"]) == (413, "group")
    token = await generate_token(strict, "di", groups)
    async with nothing_changes(session, strict), AsyncExitStack() as sockets:
        assert await open_sockets(session, token["url"], 1, sockets) == [401]


async def test_junk_locks_no_caller_out_behind_the_same_address(
    session: aiohttp.ClientSession, strict: Running
) -> None:
    """Junk is a call without a known caller, here of a guest who chooses a user id."""
    address = "203.0.113.2"
    junk = [(await negotiate(session, strict, address, userId="x"))[0] for _ in range(20)]
    assert junk == [*[400] * 5, *[429] * 15]
    assert [(await negotiate(session, strict, address))[0] for _ in range(5)] == [200] * 5


# One for each path, because they share a bucket.
ADDRESSES = {
    "health": "203.0.113.3",
    "openapi.yaml": "203.0.113.4",
    "demo": "203.0.113.5",
    "asyncapi.yaml": "203.0.113.6",
    "usher.js": "203.0.113.7",
}


@pytest.mark.parametrize("path", ADDRESSES)
async def test_open_pages_are_limited_by_address(
    session: aiohttp.ClientSession, strict: Running, path: str
) -> None:
    """They share a bucket; callers have another one."""
    address = ADDRESSES[path]
    headers, statuses = {"X-Forwarded-For": address}, []
    for _ in range(6):
        async with session.get(f"{strict.facts['host']}/api/{path}", headers=headers) as response:
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            statuses.append(response.status)
    assert statuses == [*[200] * 5, 429]
    assert int(response.headers["Retry-After"]) > 0
    assert (await negotiate(session, strict, address))[0] == 200


async def test_a_user_with_too_many_connections_gets_429_for_the_next_token(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """`connect` cannot answer 429, but `negotiate` can."""
    settings = {"USHER_AUTH": "key", "USHER_MOST_CONNECTIONS": "1"}
    with run([*UP, "--control"], tmp_path / "log", settings) as stack:
        _, token = await negotiate(session, stack, userId="ana")
        async with session.ws_connect(token["url"]):
            status, problem = await negotiate(session, stack, userId="ana")
            assert (status, problem["type"]) == (429, "urn:problem-type:usher:too-many")
            assert int(problem["retryAfter"]) > 0
            assert (await negotiate(session, stack, userId="bo"))[0] == 200


async def test_each_user_of_a_backend_has_its_own_limit(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    settings = {"USHER_AUTH": "key", "USHER_CALLER_LIMIT": "2"}
    with run(["localdev", "host", "--json", "--port", "0"], tmp_path / "log", settings) as app:
        statuses = [
            (await negotiate(session, app, "203.0.113.9", userId=user))[0]
            for user in ("ana", "ana", "ana", "bo", "ana")
        ]
        assert statuses == [200, 200, 429, 200, 429]


RED = {"caller": {"claim": "team", "value": "red"}, "group": "team-{claim:team}", "allow": ["join"]}


async def test_the_policy_reads_the_claims_of_app_service_authentication(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"rules": [RED]}))
    settings = {
        "USHER_AUTH": "easyauth",
        "WEBSITE_AUTH_ENABLED": "true",
        "WEBSITE_INSTANCE_ID": "x",
        "USHER_BANS": "off",  # a file is for one machine
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
                "X-Forwarded-For": "203.0.113.5:1234",
                "X-MS-CLIENT-PRINCIPAL-ID": "ana",
                "X-MS-CLIENT-PRINCIPAL-IDP": "aad",
                "X-MS-CLIENT-PRINCIPAL": base64.b64encode(json.dumps(principal).encode()).decode(),
            }
            async with session.post(url, json={"group": group}, headers=headers) as response:
                assert response.status == status
                answer = await response.json()
        assert answer["type"] == "urn:problem-type:usher:forbidden"


@pytest.mark.parametrize("content", [None, "{", '{"rules": [{"caller": "all"}]}'])
async def test_without_a_valid_policy_every_request_is_refused(
    session: aiohttp.ClientSession, tmp_path: Path, content: str | None
) -> None:
    """Negotiate, connect and health fail, and the log names the wrong places of the file.

    `dev.py up` would not start with such a policy.
    """
    policy = tmp_path / "policy.json"
    if content is not None:
        policy.write_text(content)
    settings = {"USHER_POLICY_FILE": str(policy)}
    with run(["tests.e2e.identity_stack"], tmp_path / "log", settings) as stack:
        async with nothing_changes(session, stack):
            assert (await negotiate(session, stack))[0] == 503
            async with session.get(f"{stack.facts['host']}/api/health") as response:
                assert response.status == 503
            body = connect_body("lobby")
            answer = await post_event(session, stack, "connect", connection_id="c-1", body=body)
            assert answer[0] == 500
        (record, *_) = stack.records(record="settings", function="negotiate")
        assert all(place.startswith("policy.json") for place in record["problems"])
