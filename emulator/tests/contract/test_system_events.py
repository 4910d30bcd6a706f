"""connect, connected and disconnected (reference-cloud-events; howto-develop-eventhandler)."""

import asyncio
import hashlib
import hmac
import json
import re
from typing import Any

import pytest
from aiohttp import web

from contract.target import ANY_GROUP, JSON, RELIABLE_JSON, Hub, eventually
from unit.app import App, Received


def posts(app: App) -> list[Received]:
    """Return the events that the app received."""
    return [request for request in app.received if request.method == "POST"]


@pytest.mark.specified
async def test_events_of_a_connection_are_numbered_from_0(handled: Hub, app: App) -> None:
    """The order is connect, connected, user events, disconnected."""
    async with handled.connect(user="ann") as client:
        await app.wait_for("connect", "connected")
        assert await client.ask(1, type="event", event="e", data=1) == "done"
        await client.websocket.close(code=1000)
    await app.wait_for("connect", "connected", "e", "disconnected")
    assert [one.headers["ce-id"] for one in posts(app)] == ["0", "1", "2", "3"]


@pytest.mark.specified
async def test_events_have_headers_of_cloudevents_and_of_the_service(
    handled: Hub, app: App
) -> None:
    """In the HTTP binary mode of CloudEvents."""
    async with handled.connect(user="ann") as client:
        await app.wait_for("connect", "connected")
        await client.ask(1, type="event", event="e", data=1)
        await client.websocket.close(code=1000)
    await app.wait_for("connect", "connected", "e", "disconnected")
    for one, kind in zip(posts(app), ("sys", "sys", "user", "sys"), strict=True):
        name = one.path.partition("?")[0].rpartition("/")[2]
        expected = {
            "ce-specversion": "1.0",
            "ce-awpsversion": "1.0",
            "ce-type": f"azure.webpubsub.{kind}.{name}",
            "ce-eventname": name,
            "ce-hub": handled.name,
            "ce-connectionid": client.connection_id,
            "ce-userid": "ann",
            "webhook-request-origin": "127.0.0.1",
        }
        assert {key: one.headers.get(key) for key in expected} == expected
        assert one.headers["ce-source"].endswith(f"/client/{client.connection_id}")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one.headers["ce-time"])
        assert one.headers.get("ce-subprotocol") == (None if name == "connect" else JSON)
        assert "ce-connectionstate" not in one.headers
        assert "authorization" not in one.headers
        assert one.headers["content-type"].startswith("application/json")


@pytest.mark.specified
async def test_the_signature_is_an_hmac_of_the_connection_id(handled: Hub, app: App) -> None:
    """The key is the access key. Azure adds a signature with its second key."""
    async with handled.connect() as client:
        await app.wait_for("connect", "connected")
    key = handled.target.access_key.encode()
    digest = hmac.new(key, client.connection_id.encode(), hashlib.sha256).hexdigest()
    for one in posts(app):
        # A failed comparison of texts would show them.
        assert any(
            hmac.compare_digest(signature, f"sha256={digest}")
            for signature in one.headers["ce-signature"].split(",")
        )


@pytest.mark.specified
async def test_the_url_template_gets_hub_and_event(handled: Hub, app: App) -> None:
    """The hub is in lower case. The template's query stays."""
    upper = Hub(handled.target, handled.name.upper())
    async with upper.connect():
        await app.wait_for("connect", "connected")
        paths = [one.path for one in app.received]
    assert app.last("connected").headers["ce-hub"] == handled.name
    assert paths == [
        f"/hooks/{handled}/{event}?code=c0de" for event in ("validate", "connect", "connected")
    ]


# --- connect -----------------------------------------------------------------------------


@pytest.mark.specified
async def test_connect_has_claims_query_headers_and_subprotocols(handled: Hub, app: App) -> None:
    """Claims are lists. The query does not include the token."""
    token = handled.token(user="ann", group="g", custom=["a", "b"])
    path = f"{handled.client_path}?k=1&k=2&access_token={token}"
    headers = {"X-Mine": "x", "Cookie": "mine=1", "Authorization": "Bearer not looked at",
               "X-ASRS-Internal-A": "hidden"}  # fmt: skip
    async with handled.target.open(path, ["mine", JSON], headers=headers):
        await app.wait_for("connect", "connected")
    received = app.last("connect")
    body = json.loads(received.body)
    claims = body["claims"]
    assert (claims["sub"], claims["webpubsub.group"]) == (["ann"], ["g"])
    assert claims["custom"] == ["a", "b"]
    assert all(isinstance(value, str) for values in claims.values() for value in values)
    assert (body["query"], body["subprotocols"]) == ({"k": ["1", "2"]}, ["mine", JSON])
    assert (body["headers"]["X-Mine"], body["headers"]["Cookie"]) == (["x"], ["mine=1"])
    assert not {"Authorization", "X-ASRS-Internal-A"} & body["headers"].keys()
    assert body["clientCertificates"] == []
    assert "cookie" not in received.headers


@pytest.mark.specified
@pytest.mark.parametrize(
    ("answer", "user", "group", "may_join"),
    [
        (None, "ann", "g", True),
        ("null", "ann", "g", True),
        ("{}", "ann", "g", True),
        ('{"userId":"bob"}', "bob", "g", True),
        ('{"userId":null,"groups":null,"roles":null}', "ann", "g", True),
        ('{"groups":["h"]}', "ann", "h", True),
        ('{"groups":[]}', "ann", "g", True),
        ('{"roles":[]}', "ann", "g", False),
        ('{"roles":["webpubsub.joinLeaveGroup.other"]}', "ann", "g", False),
        ('{"more":1}', "ann", "g", True),
    ],
)
async def test_the_answer_to_connect_may_set_user_groups_and_roles(
    handled: Hub, app: App, answer: str | None, user: str, group: str, may_join: bool
) -> None:
    """What the answer does not name stays as in the token."""
    app.scripts["connect"] = [web.Response(text=answer) if answer else web.Response(status=204)]
    claims: dict[str, Any] = {"user": "ann", "group": "g", "role": ANY_GROUP}
    async with handled.connect(**claims) as client:
        assert client.hello["userId"] == user
        assert [await handled.has(f"/groups/{name}") for name in "gh"] == [
            group == name for name in "gh"
        ]
        expected = "done" if may_join else "Forbidden"
        assert await client.ask(1, type="joinGroup", group="x") == expected
        await app.wait_for("connect", "connected")
    assert app.last("connected").headers["ce-userid"] == user


@pytest.mark.specified
async def test_an_empty_user_in_the_answer_to_connect_removes_the_user(
    handled: Hub, app: App
) -> None:
    app.scripts["connect"] = [web.json_response({"userId": ""})]
    async with handled.connect(user="ann") as client:
        assert not client.hello["userId"]
        assert not await handled.has("/users/ann")
        await app.wait_for("connect", "connected")
    assert "ce-userid" not in app.last("connected").headers


@pytest.mark.specified
@pytest.mark.parametrize(
    ("chosen", "offered"), [(RELIABLE_JSON, [JSON, RELIABLE_JSON]), ("mine", ["mine", JSON])]
)
async def test_the_answer_to_connect_may_choose_an_offered_subprotocol(
    handled: Hub, app: App, chosen: str, offered: list[str]
) -> None:
    """With a subprotocol that the service does not know, the client is a simple client."""
    app.scripts["connect"] = [web.json_response({"subprotocol": chosen})]
    async with handled.target.open(handled.client_path, offered, handled.token()) as client:
        headers = client.websocket._response.headers
        assert headers["Sec-WebSocket-Protocol"] == chosen
        if chosen == "mine":
            await handled.send("bare")
            assert await client.receive_text() == "bare"
        else:
            assert "reconnectionToken" in await client.receive()


@pytest.mark.specified
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
async def test_the_answer_to_connect_may_refuse_the_client(
    handled: Hub, app: App, status: int
) -> None:
    """The client gets the same status, and no other event follows."""
    app.scripts["connect"] = [web.Response(status=status, text="private")]
    path = handled.client_path
    assert await handled.target.refusal(path, [JSON], handled.token(user="ann")) == status
    assert not await handled.has("/users/ann")
    assert app.events == ["connect"]


@pytest.mark.specified
@pytest.mark.parametrize(
    "answer",
    [
        "nonsense",
        "[]",
        '{"subprotocol":"not offered"}',
        '{"groups":[" "]}',
        '{"groups":"g"}',
        '{"roles":[null]}',
        '{"userId":1}',
    ],
)
async def test_an_invalid_answer_to_connect_is_500_for_the_client(
    handled: Hub, app: App, answer: str
) -> None:
    app.scripts["connect"] = [web.Response(text=answer)]
    assert await handled.target.refusal(handled.client_path, [JSON], handled.token()) == 500
    assert app.events == ["connect"]


@pytest.mark.specified
async def test_the_connection_does_not_exist_before_connect_is_answered(
    handled: Hub, app: App
) -> None:
    async def enter() -> None:
        async with handled.connect(user="ann"):
            await app.wait_for("connect", "connected")

    app.slow.add("connect")
    entering = asyncio.create_task(enter())
    await app.wait_for("connect")
    name = app.last("connect").headers["ce-connectionid"]
    assert not await handled.has(f"/connections/{name}")
    assert not await handled.has("/users/ann")
    app.release.set()
    await entering


# --- connected and disconnected ----------------------------------------------------------


@pytest.mark.specified
async def test_connected_has_an_empty_body_and_calls_reach_the_connection(
    handled: Hub, app: App
) -> None:
    app.slow.add("connected")
    async with handled.connect() as client:
        await app.wait_for("connect", "connected")
        assert json.loads(app.last("connected").body) == {}
        assert (await handled.call("PUT", f"/groups/g{client.path}")).status == 200
        app.release.set()


@pytest.mark.specified
async def test_other_events_do_not_wait_for_connected(handled: Hub, app: App) -> None:
    """User events and disconnected are sent while the app still handles connected."""
    app.slow.add("connected")
    async with handled.connect() as client:
        await app.wait_for("connect", "connected")
        assert await client.ask(1, type="event", event="e", data=1) == "done"
        await client.websocket.close(code=1000)
        await app.wait_for("connect", "connected", "e", "disconnected")
        app.release.set()


@pytest.mark.specified
async def test_a_failed_connected_changes_nothing(handled: Hub, app: App) -> None:
    app.scripts["connected"] = [web.Response(status=400)]
    async with handled.connect() as client:
        await app.wait_for("connect", "connected")
        assert await client.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
async def test_disconnected_has_the_reason_of_the_client(handled: Hub, app: App) -> None:
    """It is the reason in the client's close frame."""
    async with handled.connect() as client:
        await app.wait_for("connect", "connected")
        await client.websocket.close(code=1000, message=b"done")
        await app.wait_for("connect", "connected", "disconnected")
    assert json.loads(app.last("disconnected").body) == {"reason": "done"}


@pytest.mark.specified
async def test_a_lost_socket_ends_the_connection_even_during_an_event(
    handled: Hub, app: App
) -> None:
    async with handled.connect() as client:
        await app.wait_for("connect", "connected")
        await client.send(type="event", event="slow", data=1)
        await app.wait_for("connect", "connected", "slow")
        client.drop()
        await app.wait_for("connect", "connected", "slow", "disconnected")
        app.release.set()
        assert not await handled.has(client.path)
    assert json.loads(app.last("disconnected").body) == {"reason": "The connection ended."}


@pytest.mark.specified
async def test_disconnected_has_the_reason_of_a_close_by_rest(handled: Hub, app: App) -> None:
    """The connection is gone when the event arrives."""
    app.slow.add("disconnected")
    async with handled.connect() as client:
        await app.wait_for("connect", "connected")
        await handled.call("DELETE", f"{client.path}?reason=late")
        await app.wait_for("connect", "connected", "disconnected")
        assert not await handled.has(client.path)
        app.release.set()
    reason = "Application server closed the connection. Reason: late"
    assert json.loads(app.last("disconnected").body) == {"reason": reason}


@pytest.mark.specified
async def test_disconnected_has_the_reason_of_a_protocol_error(handled: Hub, app: App) -> None:
    """It is the text of the service's close frame."""
    async with handled.connect() as client:
        await app.wait_for("connect", "connected")
        await client.websocket.send_str("nonsense")
        _, text = await client.receive_close()
        await app.wait_for("connect", "connected", "disconnected")
    assert json.loads(app.last("disconnected").body) == {"reason": text}


@pytest.mark.specified
async def test_a_recovery_sends_no_events(handled: Hub, app: App) -> None:
    """The numbering continues over all sockets of a connection."""
    async with handled.connect(RELIABLE_JSON) as client:
        await app.wait_for("connect", "connected")
        client.drop()
        async with handled.recover(client) as again:
            assert await again.ask(1, type="event", event="e", data=1) == "done"
            await again.websocket.close(code=1000)
            await app.wait_for("connect", "connected", "e", "disconnected")
            await eventually(lambda: handled.has(client.path), expected=False)
    assert app.last("e").headers["ce-id"] == "2"


@pytest.mark.specified
async def test_a_recovery_keeps_the_state_that_the_app_set(handled: Hub, app: App) -> None:
    """Later events carry the connection state and the cookie headers."""
    headers = {"ce-connectionState": "s", "Set-Cookie": "a=1"}
    app.scripts["connect"] = [web.Response(headers=headers)]
    async with handled.connect(RELIABLE_JSON) as client:
        await app.wait_for("connect", "connected")
        client.drop()
        async with handled.recover(client) as again:
            assert await again.ask(1, type="event", event="e", data=1) == "done"
            await again.websocket.close(code=1000)
            await app.wait_for("connect", "connected", "e", "disconnected")
    for name in ("e", "disconnected"):
        received = app.last(name).headers
        assert (received["ce-connectionstate"], received["cookie"]) == ("s", "a=1")
