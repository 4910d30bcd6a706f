"""What official clients receive when they join and leave groups of the whole stack."""

import subprocess
import sys
from typing import Any

import aiohttp
import pytest
from azure.messaging.webpubsubclient.models import (
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from tests.e2e.clients import enter, new_room
from tests.e2e.processes import Running

# A program with the official synchronous client. It knows only the negotiate URL.
PROGRAM = """
import json, sys, threading, urllib.request
from azure.messaging.webpubsubclient import WebPubSubClient, WebPubSubClientCredential
from azure.messaging.webpubsubclient.models import CallbackType, WebPubSubProtocolType

def get_url():
    return json.load(urllib.request.urlopen(sys.argv[1]))["url"]

# Not the reliable protocol, whose sessions outlive their sockets by 30 s.
protocol = WebPubSubProtocolType.JSON
client = WebPubSubClient(WebPubSubClientCredential(get_url), protocol_type=protocol)
client.subscribe(CallbackType.GROUP_MESSAGE, lambda message: print(message.data, flush=True))
client.open()
threading.Event().wait()
"""


@pytest.mark.parametrize("protocol", WebPubSubProtocolType)
async def test_joins_and_leaves_reach_exactly_the_members_of_the_group(
    stack: Running, protocol: WebPubSubProtocolType
) -> None:
    """Each join is recorded with 200 for the add and 202 for the announcement."""
    host, blue, green = stack.facts["host"], new_room(), new_room()
    async with enter(host, protocol, userId="ana", group=blue) as ana:
        assert await ana.hear() == f"ana joined {blue}"
        async with enter(host, protocol, userId="cy", group=green) as cy:
            assert await cy.hear() == f"cy joined {green}"
            async with enter(host, protocol, userId="bo", group=blue) as bo:
                assert await bo.hear() == f"bo joined {blue}"
                assert await ana.hear() == f"bo joined {blue}"
                bo_inbox = bo.inbox
            assert await ana.hear() == f"bo left {blue}"
            # A message that went to the wrong group would arrive before this last one.
            await send_to(stack, "the end", blue, green)
            assert [await ana.hear(), await cy.hear()] == ["the end", "the end"]
    assert bo_inbox.empty()
    for user, room in (("ana", blue), ("bo", blue), ("cy", green)):
        join = stack.wait_for_record(record="join", userId=user, group=room)
        assert (join["addStatus"], join["sendStatus"]) == (200, 202)
    stack.wait_for_record(record="leave", userId="bo", group=blue, sendStatus=202)


async def send_to(stack: Running, text: str, *groups: str) -> None:
    async with WebPubSubServiceClient.from_connection_string(
        stack.facts["connectionString"], stack.facts["hub"]
    ) as service:
        for group in groups:
            await service.send_to_group(group, text, content_type="text/plain")


async def test_a_token_for_two_groups_gives_two_announcements(stack: Running) -> None:
    """Names keep their commas and non-ASCII characters."""
    first, second = f"{new_room()},ä b", new_room()
    url = f"{stack.facts['host']}/api/negotiate"
    async with aiohttp.ClientSession() as session:
        query = [("userId", "Ñandú 日本"), ("group", first), ("group", second)]
        answer = await (await session.get(url, params=query)).json()
        async with session.ws_connect(answer["url"], protocols=["json.webpubsub.azure.v1"]) as ws:
            texts = set[str]()
            while len(texts) < 2:
                frame = await ws.receive_json(timeout=60)
                if frame["type"] == "message":
                    texts.add(frame["data"])
    assert answer["groups"] == [first, second]
    assert texts == {f"Ñandú 日本 joined {first}", f"Ñandú 日本 joined {second}"}


async def test_a_client_can_send_to_the_groups_of_its_token_only(stack: Running) -> None:
    host, blue, green = stack.facts["host"], new_room(), new_room()
    async with (
        enter(host, userId="ana", group=blue) as ana,
        enter(host, userId="cy", group=green) as cy,
    ):
        assert [await ana.hear(), await cy.hear()] == [f"ana joined {blue}", f"cy joined {green}"]
        with pytest.raises(SendMessageError) as caught:
            await ana.client.send_to_group(green, "hello", WebPubSubDataType.TEXT)
        assert caught.value.error_detail
        assert caught.value.error_detail.name == "Forbidden"
        await cy.client.send_to_group(green, "mine", WebPubSubDataType.TEXT)
        assert await cy.hear() == "mine"


@pytest.mark.parametrize(
    "name", ["o'hara", "a' or userId ne '", "%2e%2e%2f", "a?b#c&d=e", "{userId}"]
)
async def test_names_that_look_like_code_are_only_names(key_stack: Running, name: str) -> None:
    """A user and a group with such a name work, and other groups receive nothing."""
    host, room = key_stack.facts["host"], new_room()
    async with enter(host, userId="ana", group=room) as ana:
        assert await ana.hear() == f"ana joined {room}"
        async with enter(host, userId=name, group=name) as other:
            assert await other.hear() == f"{name} joined {name}"
        key_stack.wait_for_record(record="leave", userId=name, group=name, sendStatus=202)
        await send_to(key_stack, "nothing else", room)
        assert await ana.hear() == "nothing else"


async def test_the_leave_of_a_killed_client_is_announced(stack: Running) -> None:
    """A killed process does not send a close frame."""
    host, room = stack.facts["host"], new_room()
    async with enter(host, userId="ana", group=room) as ana:
        assert await ana.hear() == f"ana joined {room}"
        url = f"{host}/api/negotiate?userId=bo&group={room}"
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url], stdout=subprocess.PIPE, text=True
        ) as program:
            assert await ana.hear() == f"bo joined {room}"
            assert program.stdout
            assert program.stdout.readline() == f"bo joined {room}\n"
            program.kill()
            assert await ana.hear() == f"bo left {room}"


async def test_the_three_steps_of_the_workflow_work_over_rest(stack: Running) -> None:
    """The steps of the public workflow for an open connection, with a data plane token."""
    token = subprocess.check_output([sys.executable, "-m", "localdev", "token"], text=True).strip()
    room, hub = new_room(), f"{stack.facts['emulator']}/api/hubs/{stack.facts['hub']}"
    version: dict[str, Any] = {"api-version": "2024-01-01"}
    async with (
        enter(stack.facts["host"], userId="ana", group=f"{room}-before") as ana,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
    ):
        await ana.hear()
        query = version | {"userId": "bo", "minutesToExpire": 60, "group": room}
        generated = await session.post(f"{hub}/:generateToken", params=query)
        join = stack.wait_for_record(record="join", userId="ana", group=f"{room}-before")
        member = f"{hub}/groups/{room}/connections/{join['connectionId']}"
        added = await session.put(member, params=version)
        text = {"Content-Type": "text/plain"}
        sent = await session.post(
            f"{hub}/groups/{room}/:send", params=version, data="bo joins", headers=text
        )
        assert (generated.status, added.status, sent.status) == (200, 200, 202)
        assert await ana.hear() == "bo joins"
        client_url = hub.replace("/api/", "/client/")
        opened = {"access_token": (await generated.json())["token"]}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(client_url, params=opened, protocols=["json.webpubsub.azure.v1"]) as ws,
    ):
        assert (await ws.receive_json(timeout=60))["userId"] == "bo"
        assert (await ws.receive_json(timeout=60))["data"] == f"bo joined {room}"
