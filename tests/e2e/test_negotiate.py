import uuid
from datetime import UTC, datetime
from typing import Any

import aiohttp
import jwt
import pytest

from tests.e2e.processes import Running


async def ask(
    stack: Running, method: str = "GET", query: Any = (), **arguments: Any
) -> tuple[aiohttp.ClientResponse, dict[str, Any]]:
    url = f"{stack.facts['host']}/api/negotiate"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, params=query, **arguments) as response,
    ):
        return response, await response.json()


async def test_the_answer(stack: Running) -> None:
    """All of its members; the token says the same; no cache may keep it."""
    before = datetime.now(UTC).replace(microsecond=0)
    query = [("userId", "ana"), ("group", "a,b"), ("group", "c"), ("minutesToExpire", "5")]
    response, answer = await ask(stack, query=query)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    base_url = f"{stack.facts['emulator'].replace('http', 'ws')}/client/hubs/chat"
    roles = ["webpubsub.sendToGroup.a,b", "webpubsub.sendToGroup.c"]
    assert answer["url"] == f"{base_url}?access_token={answer['token']}"
    assert {key: answer[key] for key in ("baseUrl", "hub", "userId", "groups", "roles")} == {
        "baseUrl": base_url,
        "hub": "chat",
        "userId": "ana",
        "groups": ["a,b", "c"],
        "roles": roles,
    }
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["role"]) == ("ana", roles)
    assert claims["webpubsub.group"] == ["a,b", "c"]
    expires_at = datetime.fromisoformat(answer["expiresAt"])
    assert 0 <= claims["exp"] - expires_at.timestamp() <= 2
    assert 299 <= (expires_at - before).total_seconds() <= 305


async def test_post_with_a_body(key_stack: Running) -> None:
    """The same from JSON; without a user id a guest, without a group the default one."""
    body = {"userId": "ana", "group": ["x", "y"]}
    _, answer = await ask(key_stack, "POST", json=body)
    assert (answer["userId"], answer["groups"]) == ("ana", ["x", "y"])
    _, answer = await ask(key_stack, "POST")
    assert answer["userId"].startswith("guest-")
    assert answer["groups"] == ["lobby"]


@pytest.mark.parametrize(
    ("query", "body", "field"),
    [
        ([("hub", "other")], b"", "hub"),
        ([("group", "")], b"", "group"),
        ([("group", "g" * 1025)], b"", "group"),
        ([("group", "a"), ("group", "%20")], b'{"group": " "}', "group"),
        ([("group", "..")], b"", "group"),
        ([("minutesToExpire", "61")], b"", "minutesToExpire"),
        ([("userId", " ")], b"", "userId"),
        ([], b"{", "body"),
        ([], b'{"userId": 1}', "userId"),
        ([], b'{"group": "\\ud800"}', "group"),
    ],
)
async def test_bad_requests(key_stack: Running, query: Any, body: bytes, field: str) -> None:
    """A 400 problem that names the field."""
    response, problem = await ask(key_stack, "POST", query, data=body)
    assert (response.status, problem["field"]) == (400, field)
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "field", "advice"),
    [
        ({"group": [str(uuid.uuid4()) for _ in range(40)]}, "group", "fewer groups"),
        ({"userId": "u" * 3500}, "userId", "a shorter userId"),
    ],
)
async def test_tokens_that_would_be_too_long(
    key_stack: Running, body: Any, field: str, advice: str
) -> None:
    """Refused with advice, and not cut."""
    response, problem = await ask(key_stack, "POST", json=body)
    assert (response.status, problem["field"]) == (413, field)
    assert advice in problem["detail"]
    _, answer = await ask(key_stack, "POST", json={"group": [str(uuid.uuid4())] * 17})
    assert len(answer["url"]) <= 4096


async def test_a_url_that_is_too_long(key_stack: Running) -> None:
    """Whatever it says."""
    response, problem = await ask(key_stack, "POST", [("group", "g" * 4096)])
    assert (response.status, problem["type"]) == (414, "urn:problem-type:usher:too-long")


async def test_browsers_of_other_origins_may_ask(key_stack: Running) -> None:
    """The sample's local settings allow all origins, as `func start` would."""
    response, _ = await ask(key_stack, headers={"Origin": "http://localhost:3000"})
    assert response.headers["Access-Control-Allow-Origin"] in ("*", "http://localhost:3000")


async def test_health(stack: Running) -> None:
    """200 where the settings are valid and the service answers."""
    async with aiohttp.ClientSession() as session:
        response = await session.get(f"{stack.facts['host']}/api/health")
        assert (response.status, await response.json()) == (200, {"status": "ok"})
