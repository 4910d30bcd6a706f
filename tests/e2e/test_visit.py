"""One id in every log record of a visit, with the access key and with a managed identity."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.e2e.clients import negotiate, new_room
from tests.e2e.processes import Running
from webpubsub_emulator import tokens

SUBPROTOCOLS = ["json.webpubsub.azure.v1"]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def visit_room(session: aiohttp.ClientSession, answer: dict[str, Any]) -> None:
    """Connect, wait for the announcement of the own join, and leave."""
    async with session.ws_connect(answer["url"], protocols=SUBPROTOCOLS) as socket:
        async for frame in socket:
            if "joined" in str(frame.json().get("data")):
                return


async def test_every_record_of_a_visit_has_its_id(
    stack: Running, session: aiohttp.ClientSession
) -> None:
    """From the token to the leave, and no record of another visitor of the same room."""
    room = new_room()
    ana, bo = [await negotiate(stack.facts["host"], userId=u, group=room) for u in ("ana", "bo")]
    await visit_room(session, ana)
    await visit_room(session, bo)
    for answer in (ana, bo):
        user = answer["userId"]
        stack.wait_for_record(record="leave", userId=user, group=room)
        kinds = [record["record"] for record in stack.records(visit=answer["visit"])]
        assert kinds == ["negotiate", "connect", "join", "leave"]
        assert {record["userId"] for record in stack.records(visit=answer["visit"])} == {user}


async def test_a_visit_has_the_trace_id_of_its_caller(
    stack: Running, session: aiohttp.ClientSession
) -> None:
    """So the records are found from a trace of the caller's own telemetry."""
    trace, room = secrets.token_hex(16), new_room()
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
    url = f"{stack.facts['host']}/api/negotiate"
    async with session.post(
        url, json={"userId": "ana", "group": room}, headers=headers
    ) as response:
        answer = await response.json()
    await visit_room(session, answer)
    stack.wait_for_record(record="leave", visit=trace)
    kinds = [record["record"] for record in stack.records(visit=trace)]
    assert (answer["visit"], kinds) == (trace, ["negotiate", "connect", "join", "leave"])
    async with session.get(f"{url}?hub=other", headers=headers) as response:
        problem = await response.json()
    assert (response.status, problem["instance"]) == (400, f"urn:usher:visit:{trace}")


async def test_a_refused_connection_is_recorded_with_its_visit(
    stack: Running, session: aiohttp.ClientSession
) -> None:
    """The token has no group. A visit that the client invents is taken, and changes nothing."""
    answer = await negotiate(stack.facts["host"], userId="ana")
    audience = answer["baseUrl"].replace("ws", "http", 1)
    client = tokens.Client("ana", roles=(), groups=(), claims={})
    token = tokens.sign_client_token(tokens.ACCESS_KEY, audience, client, minutes=5)
    url, invented = f"{answer['baseUrl']}?access_token={token}", secrets.token_hex(16)
    for query in (f"&visit={invented}", "&visit=%0a<b>&visit="):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url + query, protocols=SUBPROTOCOLS)
        assert caught.value.status == 401
    refusal = stack.wait_for_record(record="refusal", function="connect", visit=invented)
    assert refusal["userId"] == "ana"
    refusals = stack.records(record="refusal", function="connect", userId="ana")
    assert all(len(record["visit"]) == 32 for record in refusals)
    assert len({record["visit"] for record in refusals}) == len(refusals)
