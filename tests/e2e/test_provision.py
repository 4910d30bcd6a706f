"""The whole workflow in one call, for live connections, and what it answers under each fault.

What was done is told by the emulator's own view of itself, and by what a client hears.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import jwt
import pytest
import pytest_asyncio

from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.room import Room
from webpubsub_emulator.faults import Faults, parse_fault

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY = {
    "rules": [
        {"caller": "any", "group": "closed", "allow": []},
        {"caller": {"user": "ana"}, "group": "heard-only", "allow": ["join"]},
        {"caller": "any", "group": "*", "allow": ["join", "send"]},
    ]
}
TOKEN_ONLY = ["generateToken"]
UNTIL_ADDED = ["generateToken", "addConnection"]


@pytest.fixture(scope="module")
def key_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack with an access key, which asks for function keys."""
    folder = tmp_path_factory.mktemp("provision")
    policy = folder / "policy.json"
    policy.write_text(json.dumps(POLICY))
    settings = {"USHER_POLICY_FILE": str(policy)}
    with run([*UP, "--control", "--keys"], folder / "log", settings) as running:
        yield running
        assert not [key for key in running.facts["keys"].values() if key in running.log()]


@pytest.fixture(scope="module")
def identity_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack with an identity, whose service mints the tokens."""
    log = tmp_path_factory.mktemp("provision-identity") / "log"
    with run(["tests.e2e.identity_stack"], log) as running:
        yield running


class Hall:
    """A room with ana and bo in it, and another room that nobody is in."""

    def __init__(self, stack: Running, session: aiohttp.ClientSession) -> None:
        self.stack = stack
        self.room = Room(stack, session)
        self.target = Room(stack, session)

    async def begin(self) -> None:
        """No faults, nothing for ana to hear, and a new room that nobody is in."""
        self.target = Room(self.stack, self.room.session)
        await self.room.heard()

    async def provision(self, **changes: Any) -> tuple[aiohttp.ClientResponse, dict[str, Any]]:
        """Asks for ana's connection to be put into the empty room; `changes` are fields."""
        body = {
            "group": self.target.name,
            "connectionId": self.room.ids["ana"],
            "announcement": "hello",
        }
        return await self.post(json.dumps(body | changes).encode())

    async def post(self, body: bytes) -> tuple[aiohttp.ClientResponse, dict[str, Any]]:
        """The answer to any body."""
        key = {"x-functions-key": self.stack.facts.get("keys", {}).get("function", "")}
        url = f"{self.stack.facts['host']}/api/provision"
        async with self.room.session.post(url, data=body, headers=key) as response:
            return response, await response.json()

    async def under(self, *faults: str, seed: int = 0) -> tuple[int, dict[str, Any]]:
        """Status and problem under these faults, without what every problem has."""
        await self.room.switch(*faults, seed=seed)
        response, problem = await self.provision()
        await self.room.switch()
        assert response.content_type == "application/problem+json"
        assert problem["status"] == response.status
        # However it failed: no token left the app.
        assert "eyJ" not in json.dumps(problem)
        names = ("step", "serviceStatus", "serviceCode", "done", "mayBeDone")
        return response.status, {name: problem[name] for name in names} | {
            "retryAfter": response.headers.get("Retry-After")
        }

    async def is_added(self) -> bool:
        """Whether ana is in the other room, by the emulator's word."""
        return await self.target.connections() == {"ana": self.room.ids["ana"]}


async def make_hall(stack: Running) -> AsyncIterator[Hall]:
    async with aiohttp.ClientSession() as session:
        hall = Hall(stack, session)
        try:
            await hall.room.enter("ana", "bo")
            yield hall
        finally:
            await hall.room.close()


# For the whole module, because an official client takes a second to close.
@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key_hall(key_stack: Running) -> AsyncIterator[Hall]:
    async for made in make_hall(key_stack):
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other_hall(identity_stack: Running) -> AsyncIterator[Hall]:
    async for made in make_hall(identity_stack):
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def hall(key_hall: Hall) -> Hall:
    await key_hall.begin()
    return key_hall


@pytest_asyncio.fixture(loop_scope="module")
async def identity_hall(other_hall: Hall) -> Hall:
    await other_hall.begin()
    return other_hall


def seed_of(name: str, *strikes: bool) -> int:
    """A seed by which the first calls are struck like this, where every second one is."""
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


# --- when all goes well ----------------------------------------------------------------


async def check_workflow(hall: Hall) -> None:
    response, answer = await hall.provision()
    assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
    token = answer.pop("token")
    assert answer == {"addStatus": 200, "sendStatus": 202}
    assert await hall.is_added()
    assert await hall.room.heard() == ["hello"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert "sub" not in claims
    assert claims["webpubsub.group"] in (hall.target.name, [hall.target.name])
    role = f"webpubsub.sendToGroup.{hall.target.name}"
    assert claims["role"] in (role, [role])
    assert claims["exp"] - claims["iat"] == 3600
    await check_token(hall, token)
    record = hall.stack.wait_for_record(record="provision", group=hall.target.name)
    assert (record["addStatus"], record["sendStatus"], record["userId"]) == (200, 202, None)
    assert record["connectionId"] == hall.room.ids["ana"]
    assert record["milliseconds"] >= 0


async def check_token(hall: Hall, token: str) -> None:
    """It opens a connection that is in the group from the start, and may speak there."""
    url = f"{hall.stack.facts['emulator']}/client/hubs/chat"
    protocols = ["json.webpubsub.azure.v1"]
    query = {"access_token": token}
    async with hall.room.session.ws_connect(url, params=query, protocols=protocols) as ws:
        assert (await ws.receive_json(timeout=10))["event"] == "connected"
        assert (await ws.receive_json(timeout=10))["data"] == f"somebody joined {hall.target.name}"
        said = {"type": "sendToGroup", "group": hall.target.name, "dataType": "text", "data": "hi"}
        await ws.send_json(said)
        assert (await ws.receive_json(timeout=10))["data"] == "hi"


async def test_the_workflow(hall: Hall) -> None:
    """200, 200, 202 for a live connection, which hears of it; the token opens another one."""
    await check_workflow(hall)


async def test_the_workflow_with_an_identity(identity_hall: Hall) -> None:
    """The same where the service mints the token."""
    await check_workflow(identity_hall)


async def test_a_user_with_a_connection(hall: Hall) -> None:
    """The token names the user, and has the lifetime that was asked for."""
    response, answer = await hall.provision(userId="ana", minutesToExpire=5, hub="chat")
    assert (response.status, answer["addStatus"], answer["sendStatus"]) == (200, 200, 202)
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("ana", 300)
    assert await hall.is_added()
    assert await hall.room.heard() == ["hello"]


async def test_the_announcement_is_sent_as_it_is(hall: Hall) -> None:
    """As text in any script, without what nobody sees."""
    await hall.provision(announcement='{"a": "ñ 日本"}\n\x1b')
    assert await hall.room.heard() == ['{"a": "ñ 日本"}']


async def test_the_policy_decides_over_the_token(hall: Hall) -> None:
    """What `connect` would refuse is not minted; who may not speak gets no role to."""
    response, answer = await hall.provision(group="closed")
    assert (response.status, answer["field"]) == (403, "group")
    _, answer = await hall.provision(group="heard-only", userId="ana")
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    assert (claims["sub"], claims.get("role")) == ("ana", None)


# --- who and what is refused -----------------------------------------------------------


async def test_a_connection_of_another_user(hall: Hall) -> None:
    """It is answered as one that does not exist, and nobody is added or told."""
    other, unknown = await asyncio.gather(
        hall.provision(userId="ana", connectionId=hall.room.ids["bo"]),
        hall.provision(userId="ana", connectionId="no-such-connection"),
    )
    assert (other[0].status, other[1]) == (unknown[0].status, unknown[1])
    expected = {"step": "addConnection", "serviceStatus": 200, "done": TOKEN_ONLY}
    assert other[0].status == 404
    assert other[1].items() >= {**expected, "field": "connectionId", "mayBeDone": False}.items()
    assert await hall.target.connections() == {}
    assert await hall.target.calls("POST") == []


async def test_names_that_look_like_filters(hall: Hall) -> None:
    """They match nobody else."""
    names = ("a' or userId ne '", "o'hara", "ana' or 'a' eq 'a")
    answers = await asyncio.gather(*(hall.provision(userId=name) for name in names))
    assert [response.status for response, _ in answers] == [404, 404, 404]
    assert await hall.target.connections() == {}


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
async def test_bad_requests(hall: Hall, body: bytes, status: int, field: str) -> None:
    """A problem that names the field, and no call of the service."""
    before = (await hall.room.control("GET", "/state"))["calls"]
    response, problem = await hall.post(body)
    assert (response.status, problem["field"]) == (status, field)
    assert (await hall.room.control("GET", "/state"))["calls"] == before


async def test_who_has_no_key_gets_nothing(hall: Hall) -> None:
    """And nobody learns of a method that is not there."""
    url = f"{hall.stack.facts['host']}/api/provision"
    for method, key, status in (("POST", "wrong", 401), ("POST", "", 401), ("GET", "", 404)):
        headers = {"x-functions-key": key} if key else {}
        async with hall.room.session.request(method, url, headers=headers) as response:
            assert (response.status, await response.text()) == (status, "")


# --- what becomes of it under faults ----------------------------------------------------


async def test_an_unknown_connection(hall: Hall) -> None:
    """404 with the service's code, after the tries that a new connection needs."""
    response, problem = await hall.provision(connectionId="no-such-connection")
    assert (response.status, problem["serviceStatus"]) == (404, 404)
    assert (problem["serviceCode"], problem["done"], problem["mayBeDone"]) == (
        *("Error.Connection.NotExisted", TOKEN_ONLY),
        False,
    )
    assert set(await hall.target.calls("PUT")) == {404}
    assert await hall.target.calls("POST") == []


async def test_a_new_connection_that_is_visible_late(hall: Hall) -> None:
    """It is added all the same, also where its user is named."""
    for fields in ({}, {"userId": "cy"}):
        await hall.room.switch("late-visibility:ms=400")
        await hall.room.come("cy")
        response, _ = await hall.provision(connectionId=hall.room.ids["cy"], **fields)
        assert response.status == 200
        assert await hall.target.connections() == {"cy": hall.room.ids["cy"]}
        await hall.room.switch()
        await hall.room.go("cy")
        await hall.room.settled("cy", "disconnected")


async def test_an_add_that_is_throttled(hall: Hall) -> None:
    """429 with the service's Retry-After; nothing was done."""
    throttled = (429, "Fault.rest-throttled")
    expected = problem("addConnection", TOKEN_ONLY, throttled, False) | {"retryAfter": "30"}
    assert await hall.under("rest-throttled:retry-after=30") == (429, expected)
    assert not await hall.is_added()
    assert await hall.target.calls("PUT") == [429]
    assert await hall.target.calls("POST") == []


async def test_an_add_that_worked_and_was_throttled_then(hall: Hall) -> None:
    """The last answer was a refusal, but the one before was not: the problem says so."""
    faults = ("rest-throttled:rate=0.5,retry-after=30", "rest-error-after")
    throttled = (429, "Fault.rest-throttled")
    expected = problem("addConnection", TOKEN_ONLY, throttled, True) | {"retryAfter": "30"}
    seed = seed_of("rest-throttled", False, True)
    assert await hall.under(*faults, seed=seed) == (429, expected)
    assert await hall.target.calls("PUT") == [500, 429]
    assert await hall.is_added()
    assert await hall.target.calls("POST") == []


async def test_an_announcement_that_is_throttled(hall: Hall) -> None:
    """The connection is in the group, which was told nothing."""
    throttled = (429, "Fault.rest-throttled")
    expected = problem("announceJoin", UNTIL_ADDED, throttled, False) | {"retryAfter": "30"}
    seed = seed_of("rest-throttled", False, True)
    answer = await hall.under("rest-throttled:rate=0.5,retry-after=30", seed=seed)
    assert answer == (429, expected)
    assert await hall.is_added()
    assert await hall.room.heard() == []


@pytest.mark.parametrize(("fault", "heard"), [("rest-error", []), ("rest-error-after", ["hello"])])
async def test_an_announcement_that_fails(hall: Hall, fault: str, heard: list[str]) -> None:
    """502; nobody knows whether the group was told, and it is not told twice."""
    expected = problem("announceJoin", UNTIL_ADDED, (500, f"Fault.{fault}"), True)
    answer = await hall.under(f"{fault}:rate=0.5", seed=seed_of(fault, False, True))
    assert answer == (502, expected)
    assert await hall.is_added()
    assert await hall.room.heard() == heard


async def test_a_token_that_is_throttled(identity_hall: Hall) -> None:
    """429, and nothing else was begun."""
    throttled = (429, "Fault.rest-throttled")
    expected = problem("generateToken", [], throttled, False) | {"retryAfter": "3"}
    assert await identity_hall.under("rest-throttled:retry-after=3") == (429, expected)
    assert await identity_hall.target.calls("PUT") == []


async def test_a_token_that_fails(identity_hall: Hall) -> None:
    """502; a token that nobody has opens nothing."""
    expected = problem("generateToken", [], (500, "Fault.rest-error"), True)
    assert await identity_hall.under("rest-error") == (502, expected)
    assert await identity_hall.target.calls("PUT") == []


async def test_a_service_that_is_silent(hall: Hall, identity_hall: Hall) -> None:
    """504: for a token at once, for an announcement without another try."""
    slow = "rest-slow:ms=6000"
    seed = seed_of("rest-slow", False, True)
    token, announcement = await asyncio.gather(
        identity_hall.under(slow), hall.under(f"{slow},rate=0.5", seed=seed)
    )
    assert token == (504, problem("generateToken", [], (None, None), True))
    assert await identity_hall.target.calls("PUT") == []
    assert announcement == (504, problem("announceJoin", UNTIL_ADDED, (None, None), True))
    assert await hall.is_added()
    assert await hall.room.heard() == ["hello"]


async def test_adds_that_fail_for_ten_seconds(hall: Hall, identity_hall: Hall) -> None:
    """502 or 504, after many tries; each of them may have worked, and the problem says so."""
    seed = seed_of("rest-slow", False, True, True, True)
    failed, late = await asyncio.gather(
        hall.under("rest-error"),
        identity_hall.under("rest-slow:ms=6000,rate=0.5", seed=seed),
    )
    error = (500, "Fault.rest-error")
    assert failed == (502, problem("addConnection", TOKEN_ONLY, error, True))
    assert not await hall.is_added()
    assert len(await hall.target.calls("PUT")) > 5
    assert late == (504, problem("addConnection", TOKEN_ONLY, (None, None), True))
    assert await identity_hall.is_added()
    for each in (hall, identity_hall):
        assert await each.target.calls("POST") == []


# --- from the command line --------------------------------------------------------------


def call(hall: Hall, *options: str, **environment: str) -> tuple[int, str, str]:
    """Status, output and errors of `dev.py provision` for ana's connection."""
    needed = ("--group", hall.target.name, "--connection-id", hall.room.ids["ana"])
    command = ["provision", *needed, "--announcement", "hello", "--url", hall.stack.facts["host"]]
    done = subprocess.run(
        [sys.executable, "-m", "localdev", *command, *options],
        env=os.environ | {"USHER_KEY": hall.stack.facts["keys"]["function"]} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


KEY = ("--key-from-env", "USHER_KEY")


async def test_the_command(hall: Hall) -> None:
    """It prints the outputs and nothing else; the room has heard of it."""
    options = ("--user-id", "ana", "--minutes-to-expire", "5")
    status, output, errors = await asyncio.to_thread(call, hall, *KEY, *options)
    assert (status, errors) == (0, "")
    answer = json.loads(output)
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("ana", 300)
    assert (answer["addStatus"], answer["sendStatus"]) == (200, 202)
    assert await hall.is_added()
    assert await hall.room.heard() == ["hello"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "The host answered 401. Name the function key with --key-from-env."),
        (("--key-from-env", "EMPTY"), "EMPTY is not set in the environment, or empty."),
        ((*KEY, "--minutes-to-expire", "61"), "400 minutesToExpire must be a whole number"),
        ((*KEY, "--url", "http://127.0.0.1:9"), "http://127.0.0.1:9/api/provision did not answer"),
        ((*KEY, "--url", "nowhere"), "nowhere/api/provision did not answer"),
    ],
)
async def test_a_command_that_fails(hall: Hall, options: tuple[str, ...], told: str) -> None:
    """One line that says why, no output, and not 0."""
    status, output, errors = await asyncio.to_thread(call, hall, *options, EMPTY="")
    (line,) = errors.splitlines()
    assert (status, output) == (1, "")
    assert line.startswith("dev.py: ")
    assert told in line
