import asyncio
import json
import re
import subprocess
import sys
import textwrap
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jwt
import pytest

from localdev.stack import ROOT
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


async def test_the_response_matches_the_claims_of_the_token(stack: Running) -> None:
    """The response has all documented fields, and no cache may store it."""
    before = datetime.now(UTC).replace(microsecond=0)
    query = [("userId", "ana"), ("group", "a,b"), ("group", "c"), ("minutesToExpire", "5")]
    response, answer = await ask(stack, query=query)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    base_url = f"{stack.facts['emulator'].replace('http', 'ws')}/client/hubs/chat"
    roles = ["webpubsub.sendToGroup.a,b", "webpubsub.sendToGroup.c"]
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    # A token of the service has no claim for the visit.
    visit = "" if "visit" in claims else f"&visit={answer['visit']}"
    assert answer["url"] == f"{base_url}?access_token={answer['token']}{visit}"
    assert {key: answer[key] for key in ("baseUrl", "hub", "userId", "groups", "roles")} == {
        "baseUrl": base_url,
        "hub": "chat",
        "userId": "ana",
        "groups": ["a,b", "c"],
        "roles": roles,
    }
    assert (claims["sub"], claims["role"]) == ("ana", roles)
    assert claims["webpubsub.group"] == ["a,b", "c"]
    expires_at = datetime.fromisoformat(answer["expiresAt"])
    assert 0 <= claims["exp"] - expires_at.timestamp() <= 2
    assert 299 <= (expires_at - before).total_seconds() <= 305


@pytest.mark.parametrize("target", ["/api/negotiate?group=lobby", "/api/groups/lobby/members"])
async def test_a_host_that_no_url_can_have_is_a_bad_request(
    key_stack: Running, target: str
) -> None:
    """Over a raw socket, because HTTP clients do not send such a header."""
    host = urlsplit(key_stack.facts["host"])
    reader, writer = await asyncio.open_connection(host.hostname, host.port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: [\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    assert head.startswith("HTTP/1.1 400 ")
    assert "application/problem+json" in head
    assert json.loads(body)["type"] == "urn:problem-type:usher:bad-request"
    assert "Traceback" not in key_stack.log()


@pytest.mark.parametrize("path", ["/api/negotiate", "/api/provision"])
@pytest.mark.parametrize("body", [b'{"userId": "ana", "group": "secret"}', b""])
async def test_a_body_in_chunks_gets_411(key_stack: Running, path: str, body: bytes) -> None:
    """The Functions host passes no such body on, so the app cannot know what it asks for."""
    url = urlsplit(key_stack.facts["host"])
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:]) if part]
    head = f"POST {path} HTTP/1.1\r\nHost: {url.netloc}\r\nTransfer-Encoding: chunked\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode() + b"".join(chunks) + b"0\r\n\r\n")
    answer, _, problem = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    assert answer.startswith("HTTP/1.1 411 ")
    assert "application/problem+json" in answer
    assert json.loads(problem)["type"] == "urn:problem-type:usher:length-required"
    assert "Content-Length" in json.loads(problem)["detail"]


def test_the_backend_of_the_readme_sends_a_length(key_stack: Running) -> None:
    """So Usher reads its body, as the token shows. test_page.py shows it of the demo page."""
    readme = (ROOT / "README.md").read_text("utf-8")
    (sample,) = re.findall(r" ```python\n(.*?def web_pubsub_url.*?)```", readme, re.DOTALL)
    code = f"{textwrap.dedent(sample)}\nprint(web_pubsub_url('ana', 'blue'))"
    environ = {"USHER_KEY": "any", "USHER_URL": key_stack.facts["host"]}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    token = done.stdout.strip().partition("access_token=")[2]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["webpubsub.group"]) == ("ana", ["blue"])


async def test_post_reads_a_json_body(key_stack: Running) -> None:
    """Without a body the caller becomes a guest in the default group."""
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
async def test_a_bad_request_gets_a_problem_that_names_the_field(
    key_stack: Running, query: Any, body: bytes, field: str
) -> None:
    response, problem = await ask(key_stack, "POST", query, data=body)
    assert (response.status, problem["field"]) == (400, field)
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"group": [str(uuid.uuid4()) for _ in range(40)]}, "group"),
        ({"userId": "u" * 3500}, "userId"),
    ],
)
async def test_a_token_for_too_long_a_url_is_refused(
    key_stack: Running, body: Any, field: str
) -> None:
    """The problem names the field to shorten. Repeated groups count once."""
    response, problem = await ask(key_stack, "POST", json=body)
    assert (response.status, problem["field"]) == (413, field)
    assert problem["type"] == "urn:problem-type:usher:too-large"
    _, answer = await ask(key_stack, "POST", json={"group": [str(uuid.uuid4())] * 17})
    assert len(answer["url"]) <= 4096


async def test_a_request_url_over_4096_characters_is_refused(key_stack: Running) -> None:
    response, problem = await ask(key_stack, "POST", [("group", "g" * 4096)])
    assert (response.status, problem["type"]) == (414, "urn:problem-type:usher:too-long")


async def test_pages_of_other_origins_may_call_locally(key_stack: Running) -> None:
    """The sample of the local settings allows all origins, and `func start` obeys it too."""
    response, _ = await ask(key_stack, headers={"Origin": "http://localhost:3000"})
    assert response.headers["Access-Control-Allow-Origin"] in ("*", "http://localhost:3000")


async def test_health_is_ok(stack: Running) -> None:
    """The settings are valid, and the service accepts the app."""
    async with aiohttp.ClientSession() as session:
        response = await session.get(f"{stack.facts['host']}/api/health")
        assert (response.status, await response.json()) == (200, {"status": "ok"})
        assert 0 <= int(response.headers["Age"]) < 5
