"""`POST /api/provision` for open connections, and its responses under each fault.

The tests verify the effects with the emulator's control endpoint and with the messages of a client.
"""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import jwt
import pytest
import pytest_asyncio

from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.room import Room
from webpubsub_emulator import Faults, parse_fault

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY = {
    "rules": [
        {"caller": "any", "group": "closed", "allow": []},
        {"caller": {"user": "ana"}, "group": "no-sending", "allow": ["join"]},
        {"caller": "any", "group": "*", "allow": ["join", "send"]},
    ]
}
TOKEN_ONLY = ["generateToken"]
UNTIL_ADDED = ["generateToken", "addConnection"]


@pytest.fixture(scope="module")
def key_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a stack with an access key that requires function keys."""
    folder = tmp_path_factory.mktemp("provision")
    policy = folder / "policy.json"
    policy.write_text(json.dumps(POLICY))
    settings = {"USHER_POLICY_FILE": str(policy)}
    with run([*UP, "--control", "--keys"], folder / "log", settings) as running:
        yield running
        assert not [key for key in running.facts["keys"].values() if key in running.log()]


@pytest.fixture(scope="module")
def identity_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a stack without a store, and with an identity, so that the service issues the tokens."""
    log = tmp_path_factory.mktemp("provision-identity") / "log"
    with run(["tests.e2e.identity_stack"], log, {"USHER_BANS": "off"}) as running:
        yield running


class Workflow:
    """Provision ana's connection for `target`, an empty group. Ana and bo are in `room`."""

    def __init__(self, stack: Running, session: aiohttp.ClientSession) -> None:
        self.stack = stack
        self.room = Room(stack, session)
        self.target = Room(stack, session)

    async def reset(self) -> None:
        """Remove the faults, skip ana's unread messages, and take a new empty target."""
        self.target = Room(self.stack, self.room.session)
        await self.room.read_texts()

    async def provision(
        self, idempotency_key: str | None = None, **changes: Any
    ) -> tuple[aiohttp.ClientResponse, dict[str, Any]]:
        """Send a valid request for ana's connection with `changes`; return response and JSON."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        body = {
            "group": self.target.name,
            "connectionId": self.room.ids["ana"],
            "announcement": "hello",
        }
        return await self.post(json.dumps(body | changes).encode(), headers)

    async def post(
        self, body: bytes, headers: dict[str, str] | None = None
    ) -> tuple[aiohttp.ClientResponse, dict[str, Any]]:
        """Send a request with any body; return response and JSON."""
        key = {"x-functions-key": self.stack.facts.get("keys", {}).get("function", "")}
        url = f"{self.stack.facts['host']}/api/provision"
        all_headers = key | (headers or {})
        async with self.room.session.post(url, data=body, headers=all_headers) as response:
            return response, await response.json()

    async def provision_under(self, *faults: str, seed: int = 0) -> tuple[int, dict[str, Any]]:
        """Send a request that must fail under these faults.

        Return the status, and the problem's members that only this endpoint has.
        """
        await self.room.set_faults(*faults, seed=seed)
        response, problem = await self.provision()
        await self.room.set_faults()
        assert response.content_type == "application/problem+json"
        assert problem["status"] == response.status
        # A problem never contains a token.
        assert "eyJ" not in json.dumps(problem)
        names = ("step", "serviceStatus", "serviceCode", "done", "mayBeDone")
        return response.status, {name: problem[name] for name in names} | {
            "retryAfter": response.headers.get("Retry-After")
        }

    async def is_added(self) -> bool:
        """Return whether ana is in the target group, as the emulator reports it."""
        return await self.target.members() == {"ana": self.room.ids["ana"]}


async def make_workflow(stack: Running) -> AsyncIterator[Workflow]:
    async with aiohttp.ClientSession() as session:
        workflow = Workflow(stack, session)
        try:
            await workflow.room.join("ana", "bo")
            yield workflow
        finally:
            await workflow.room.close()


# For the whole module, because an official client takes a second to close.
@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key_workflow(key_stack: Running) -> AsyncIterator[Workflow]:
    async for workflow in make_workflow(key_stack):
        yield workflow


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_identity_workflow(identity_stack: Running) -> AsyncIterator[Workflow]:
    async for workflow in make_workflow(identity_stack):
        yield workflow


@pytest_asyncio.fixture(loop_scope="module")
async def workflow(key_workflow: Workflow) -> Workflow:
    await key_workflow.reset()
    return key_workflow


@pytest_asyncio.fixture(loop_scope="module")
async def identity_workflow(shared_identity_workflow: Workflow) -> Workflow:
    await shared_identity_workflow.reset()
    return shared_identity_workflow


def seed_of(name: str, *strikes: bool) -> int:
    """Return a seed with which a fault of rate 0.5 strikes exactly these of the first calls."""
    for seed in range(1000):
        faults = Faults([parse_fault(f"{name}:rate=0.5")], seed)
        if [bool(faults.strike(name)) for _ in strikes] == list(strikes):
            return seed
    raise AssertionError("no such seed")


def problem(
    step: str, done: list[str], service: tuple[int | None, str | None], may_be_done: bool
) -> dict[str, Any]:
    status, code = service
    return {
        **{"step": step, "serviceStatus": status, "serviceCode": code, "done": done},
        **{"mayBeDone": may_be_done, "retryAfter": None},
    }


# --- success -----------------------------------------------------------------------------


async def check_workflow(workflow: Workflow) -> None:
    response, answer = await workflow.provision()
    assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
    token = answer.pop("token")
    assert answer == {"addStatus": 200, "sendStatus": 202}
    assert await workflow.is_added()
    assert await workflow.room.read_texts() == ["hello"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert "sub" not in claims
    assert claims["webpubsub.group"] in (workflow.target.name, [workflow.target.name])
    assert "role" not in claims
    assert claims["exp"] - claims["iat"] == 3600
    await check_token(workflow, token)
    record = workflow.stack.wait_for_record(record="provision", group=workflow.target.name)
    assert (record["addStatus"], record["sendStatus"], record["userId"]) == (200, 202, None)
    assert record["connectionId"] == workflow.room.ids["ana"]
    assert record["milliseconds"] >= 0


async def check_token(workflow: Workflow, token: str) -> None:
    """Expect the token to open a connection that is in the group.

    It has no user, so it may not send: its messages would look like the app's own.
    """
    url = f"{workflow.stack.facts['emulator']}/client/hubs/chat"
    protocols = ["json.webpubsub.azure.v1"]
    query = {"access_token": token}
    async with workflow.room.session.ws_connect(url, params=query, protocols=protocols) as ws:
        assert (await ws.receive_json(timeout=60))["event"] == "connected"
        announcement = await ws.receive_json(timeout=60)
        assert announcement["data"] == f"somebody joined {workflow.target.name}"
        message = {"type": "sendToGroup", "group": workflow.target.name, "data": "hi", "ackId": 1}
        await ws.send_json(message)
        answer = await ws.receive_json(timeout=60)
        assert (answer["type"], answer["error"]["name"]) == ("ack", "Forbidden")


async def test_all_three_steps_succeed_with_an_access_key(workflow: Workflow) -> None:
    """The connection receives the announcement, and the token opens another connection."""
    await check_workflow(workflow)


async def test_all_three_steps_succeed_with_an_identity(identity_workflow: Workflow) -> None:
    """In this mode the service issues the token."""
    await check_workflow(identity_workflow)


async def test_the_token_has_the_requested_user_and_lifetime(workflow: Workflow) -> None:
    response, answer = await workflow.provision(userId="ana", minutesToExpire=5, hub="chat")
    assert (response.status, answer["addStatus"], answer["sendStatus"]) == (200, 200, 202)
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("ana", 300)
    role = f"webpubsub.sendToGroup.{workflow.target.name}"
    assert claims["role"] in (role, [role])
    assert await workflow.is_added()
    assert await workflow.room.read_texts() == ["hello"]


async def test_the_announcement_is_sent_without_unprintable_characters(workflow: Workflow) -> None:
    """The rest of the text is unchanged."""
    await workflow.provision(announcement='{"a": "ñ 日本"}\n\x1b')
    assert await workflow.room.read_texts() == ['{"a": "ñ 日本"}']


async def test_the_policy_limits_the_token(workflow: Workflow) -> None:
    """A forbidden group is refused. Without the permission to send the token has no role."""
    response, answer = await workflow.provision(group="closed")
    assert (response.status, answer["field"]) == (403, "group")
    _, answer = await workflow.provision(group="no-sending", userId="ana")
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    assert (claims["sub"], claims.get("role")) == ("ana", None)


# --- repeated requests -------------------------------------------------------------------


async def check_repeated_calls(workflow: Workflow, scope: str) -> None:
    key = f'"{uuid.uuid4()}"'
    answers = [await workflow.provision(key) for _ in range(3)]
    for response, answer in answers:
        assert (response.status, response.headers["Idempotency-Scope"]) == (200, scope)
        assert (answer["addStatus"], answer["sendStatus"]) == (200, 202)
    assert await workflow.room.read_texts() == ["hello"]
    response, problem = await workflow.provision(key, announcement="bye")
    assert (response.status, problem["type"]) == (
        *(422, "urn:problem-type:usher:idempotency-key-reused"),
    )
    assert (response.headers["Idempotency-Scope"], problem["field"]) == (scope, "Idempotency-Key")
    assert await workflow.room.read_texts() == []
    for _, answer in answers:
        await check_token_opens(workflow, answer["token"])


async def check_token_opens(workflow: Workflow, token: str) -> None:
    url = f"{workflow.stack.facts['emulator']}/client/hubs/chat"
    async with workflow.room.session.ws_connect(url, params={"access_token": token}) as socket:
        assert not socket.closed


async def test_a_repeated_call_is_announced_once_with_an_access_key(workflow: Workflow) -> None:
    """Each call gets a token that opens a connection, and the statuses of the first call.

    The stack has a store, a SQLite file.
    """
    await check_repeated_calls(workflow, "app")


async def test_a_repeated_call_is_announced_once_with_an_identity(
    identity_workflow: Workflow,
) -> None:
    """In this mode the service issues the tokens. The stack has no store."""
    await check_repeated_calls(identity_workflow, "instance")


async def test_a_malformed_key_is_refused(workflow: Workflow) -> None:
    """Nothing happens."""
    for key in ("a b", '"a", "b"', '"é"', "k" * 256):
        response, problem = await workflow.provision(key)
        assert (response.status, problem["field"]) == (400, "Idempotency-Key")
    assert not await workflow.is_added()


async def test_of_calls_at_the_same_time_one_announces(workflow: Workflow) -> None:
    """The others are refused until it has ended."""
    await workflow.room.set_faults("rest-slow:ms=2000")
    answers = await asyncio.gather(*(workflow.provision('"same"') for _ in range(4)))
    await workflow.room.set_faults()
    assert sorted(response.status for response, _ in answers) == [200, 409, 409, 409]
    refused = next(response for response, _ in answers if response.status == 409)
    assert (refused.headers["Retry-After"], refused.headers["Idempotency-Scope"]) == (
        *("1", "app"),
    )
    assert await workflow.room.read_texts() == ["hello"]


# --- refused requests --------------------------------------------------------------------


async def test_a_connection_of_another_user_looks_unknown(workflow: Workflow) -> None:
    """Nothing is added or announced."""
    other, unknown = await asyncio.gather(
        workflow.provision(userId="ana", connectionId=workflow.room.ids["bo"]),
        workflow.provision(userId="ana", connectionId="no-such-connection"),
    )
    assert other[1].pop("instance") != unknown[1].pop("instance")
    assert (other[0].status, other[1]) == (unknown[0].status, unknown[1])
    expected = {"step": "addConnection", "serviceStatus": 200, "done": TOKEN_ONLY}
    assert other[0].status == 404
    assert other[1].items() >= {**expected, "field": "connectionId", "mayBeDone": False}.items()
    assert await workflow.target.members() == {}
    assert await workflow.target.call_statuses("POST") == []


async def test_a_user_id_that_looks_like_a_filter_matches_no_other_user(
    workflow: Workflow,
) -> None:
    names = ("a' or userId ne '", "o'hara", "ana' or 'a' eq 'a")
    answers = await asyncio.gather(*(workflow.provision(userId=name) for name in names))
    assert [response.status for response, _ in answers] == [404, 404, 404]
    assert await workflow.target.members() == {}


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, "group"),
        (b"{", 400, "body"),
        (b'{"group": "a", "connectionId": "c", "announcement": " "}', 400, "announcement"),
        (b'{"group": "a", "connectionId": "../x", "announcement": "x"}', 400, "connectionId"),
        (b'{"group": "a", "connectionId": "c", "announcement": "x", "to": 1}', 400, "to"),
        (b" " * 4097, 413, "body"),
    ],
)
async def test_a_bad_request_names_the_field_and_does_not_call_the_service(
    workflow: Workflow, body: bytes, status: int, field: str
) -> None:
    before = (await workflow.room.control("GET", "/state"))["calls"]
    response, problem = await workflow.post(body)
    assert (response.status, problem["field"]) == (status, field)
    assert (await workflow.room.control("GET", "/state"))["calls"] == before


async def test_a_request_without_a_valid_key_is_refused(workflow: Workflow) -> None:
    """Only the host explains a 401. GET does not exist: 404, without a hint at the key."""
    url = f"{workflow.stack.facts['host']}/api/provision"
    for method, key, status in (("POST", "wrong", 401), ("POST", "", 401), ("GET", "", 404)):
        headers = {"x-functions-key": key} if key else {}
        async with workflow.room.session.request(method, url, headers=headers) as response:
            assert response.status == status
            assert ("function key" in await response.text()) == (status == 401)


# --- faults ------------------------------------------------------------------------------


async def test_an_unknown_connection_is_404_after_retries(workflow: Workflow) -> None:
    """The problem has the service's code. The app retries because a new connection may be late."""
    response, problem = await workflow.provision(connectionId="no-such-connection")
    assert (response.status, problem["serviceStatus"]) == (404, 404)
    assert (problem["serviceCode"], problem["done"], problem["mayBeDone"]) == (
        *("Error.Connection.NotExisted", TOKEN_ONLY),
        False,
    )
    assert set(await workflow.target.call_statuses("PUT")) == {404}
    assert await workflow.target.call_statuses("POST") == []


async def test_a_new_connection_that_is_visible_late_is_added(workflow: Workflow) -> None:
    """This works with and without a user id."""
    for fields in ({}, {"userId": "cy"}):
        await workflow.room.set_faults("late-visibility:ms=400")
        await workflow.room.connect("cy")
        response, _ = await workflow.provision(connectionId=workflow.room.ids["cy"], **fields)
        assert response.status == 200
        assert await workflow.target.members() == {"cy": workflow.room.ids["cy"]}
        await workflow.room.set_faults()
        await workflow.room.leave("cy")
        await workflow.room.wait_for_event("cy", "disconnected")


async def test_a_throttled_add_is_429_with_the_retry_after_of_the_service(
    workflow: Workflow,
) -> None:
    """The add had no effect."""
    throttled = (429, "Fault.rest-throttled")
    expected = problem("addConnection", TOKEN_ONLY, throttled, False) | {"retryAfter": "30"}
    assert await workflow.provision_under("rest-throttled:retry-after=30") == (429, expected)
    assert not await workflow.is_added()
    assert await workflow.target.call_statuses("PUT") == [429]
    assert await workflow.target.call_statuses("POST") == []


async def test_an_add_that_is_throttled_when_retried_may_have_worked(workflow: Workflow) -> None:
    """The first call failed but worked. The second was refused, and `mayBeDone` is true."""
    faults = ("rest-throttled:rate=0.5,retry-after=30", "rest-error-after")
    throttled = (429, "Fault.rest-throttled")
    expected = problem("addConnection", TOKEN_ONLY, throttled, True) | {"retryAfter": "30"}
    seed = seed_of("rest-throttled", False, True)
    assert await workflow.provision_under(*faults, seed=seed) == (429, expected)
    assert await workflow.target.call_statuses("PUT") == [500, 429]
    assert await workflow.is_added()
    assert await workflow.target.call_statuses("POST") == []


async def test_a_throttled_announcement_is_429_and_not_delivered(workflow: Workflow) -> None:
    """The connection is in the group."""
    throttled = (429, "Fault.rest-throttled")
    expected = problem("announceJoin", UNTIL_ADDED, throttled, False) | {"retryAfter": "30"}
    seed = seed_of("rest-throttled", False, True)
    answer = await workflow.provision_under("rest-throttled:rate=0.5,retry-after=30", seed=seed)
    assert answer == (429, expected)
    assert await workflow.is_added()
    assert await workflow.room.read_texts() == []


@pytest.mark.parametrize(
    ("fault", "received"), [("rest-error", []), ("rest-error-after", ["hello"])]
)
async def test_a_failed_announcement_is_502_and_not_repeated(
    workflow: Workflow, fault: str, received: list[str]
) -> None:
    """The service may have delivered it, so `mayBeDone` is true."""
    expected = problem("announceJoin", UNTIL_ADDED, (500, f"Fault.{fault}"), True)
    answer = await workflow.provision_under(f"{fault}:rate=0.5", seed=seed_of(fault, False, True))
    assert answer == (502, expected)
    assert await workflow.is_added()
    assert await workflow.room.read_texts() == received


async def test_a_throttled_token_request_is_429_and_ends_the_workflow(
    identity_workflow: Workflow,
) -> None:
    throttled = (429, "Fault.rest-throttled")
    expected = problem("generateToken", [], throttled, False) | {"retryAfter": "3"}
    assert await identity_workflow.provision_under("rest-throttled:retry-after=3") == (
        429,
        expected,
    )
    assert await identity_workflow.target.call_statuses("PUT") == []


async def test_a_failed_token_request_is_502_and_ends_the_workflow(
    identity_workflow: Workflow,
) -> None:
    """`mayBeDone` is true, but a token that no caller received is harmless."""
    expected = problem("generateToken", [], (500, "Fault.rest-error"), True)
    assert await identity_workflow.provision_under("rest-error") == (502, expected)
    assert await identity_workflow.target.call_statuses("PUT") == []


async def test_an_unanswered_token_request_or_announcement_is_504_without_a_retry(
    workflow: Workflow, identity_workflow: Workflow
) -> None:
    slow = "rest-slow:ms=15000"
    seed = seed_of("rest-slow", False, True)
    token, announcement = await asyncio.gather(
        identity_workflow.provision_under(slow),
        workflow.provision_under(f"{slow},rate=0.5", seed=seed),
    )
    assert token == (504, problem("generateToken", [], (None, None), True))
    assert await identity_workflow.target.call_statuses("PUT") == []
    assert announcement == (504, problem("announceJoin", UNTIL_ADDED, (None, None), True))
    assert await workflow.is_added()
    assert await workflow.room.read_texts() == ["hello"]


async def test_adds_are_retried_for_ten_seconds(
    workflow: Workflow, identity_workflow: Workflow
) -> None:
    """The last failure decides between 502 and 504. Each try may have worked."""
    seed = seed_of("rest-slow", False, True, True, True)
    failed, late = await asyncio.gather(
        workflow.provision_under("rest-error"),
        identity_workflow.provision_under("rest-slow:ms=15000,rate=0.5", seed=seed),
    )
    error = (500, "Fault.rest-error")
    cut_off = (504, problem("addConnection", TOKEN_ONLY, (None, None), True))
    # On a busy machine, the end of the ten seconds may cut off the last try here, too.
    assert failed in ((502, problem("addConnection", TOKEN_ONLY, error, True)), cut_off)
    assert not await workflow.is_added()
    assert len(await workflow.target.call_statuses("PUT")) > 5
    assert late == cut_off
    assert await identity_workflow.is_added()
    for each in (workflow, identity_workflow):
        assert await each.target.call_statuses("POST") == []


# --- the command line --------------------------------------------------------------------


def call(workflow: Workflow, *options: str, **environment: str) -> tuple[int, str, str]:
    """Run `dev.py provision` for ana's connection; return its status, output and errors."""
    required = ("--group", workflow.target.name, "--connection-id", workflow.room.ids["ana"])
    command = [
        "provision",
        *required,
        "--announcement",
        "hello",
        "--url",
        workflow.stack.facts["host"],
    ]
    done = subprocess.run(
        [sys.executable, "-m", "localdev", *command, *options],
        env=os.environ | {"USHER_KEY": workflow.stack.facts["keys"]["function"]} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


KEY = ("--key-from-env", "USHER_KEY")


async def test_the_command_prints_only_the_outputs(workflow: Workflow) -> None:
    options = ("--user-id", "ana", "--minutes-to-expire", "5")
    status, output, errors = await asyncio.to_thread(call, workflow, *KEY, *options)
    assert (status, errors) == (0, "")
    answer = json.loads(output)
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("ana", 300)
    role = f"webpubsub.sendToGroup.{workflow.target.name}"
    assert claims["role"] in (role, [role])
    assert (answer["addStatus"], answer["sendStatus"]) == (200, 202)
    assert await workflow.is_added()
    assert await workflow.room.read_texts() == ["hello"]


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ((), ("401", "--key-from-env")),
        (("--key-from-env", "EMPTY"), ("EMPTY",)),
        ((*KEY, "--minutes-to-expire", "61"), ("400", "minutesToExpire")),
        ((*KEY, "--url", "http://127.0.0.1:9"), ("http://127.0.0.1:9/api/provision",)),
        ((*KEY, "--url", "nowhere"), ("nowhere/api/provision",)),
    ],
)
async def test_a_failed_command_prints_one_line_with_the_reason(
    workflow: Workflow, options: tuple[str, ...], facts: tuple[str, ...]
) -> None:
    """It prints nothing on stdout, and its exit status is 1."""
    status, output, errors = await asyncio.to_thread(call, workflow, *options, EMPTY="")
    (line,) = errors.splitlines()
    assert (status, output) == (1, "")
    assert line.startswith("dev.py: ")
    assert [fact for fact in facts if fact not in line] == []
