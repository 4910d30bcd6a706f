"""Events that clients send, and the app's answers (reference-cloud-events, "User events")."""

from typing import Any

import pytest
from aiohttp import web

from contract.target import JSON, RELIABLE_JSON, SECONDS, Client, Hub
from unit.app import App


async def send_event(client: Client, ack_id: int = 1, name: str = "e") -> str:
    """Send an event and return its outcome."""
    return await client.ask(ack_id, type="event", event=name, data=1)


@pytest.mark.specified
@pytest.mark.parametrize(
    ("frame", "content_type", "body"),
    [
        ({"data": {"a": 1.5}}, "application/json", b'{"a": 1.5}'),
        ({"data": "x"}, "application/json", b'"x"'),
        ({"dataType": "text", "data": "é"}, "text/plain", "é".encode()),
        ({"dataType": "binary", "data": "/w=="}, "application/octet-stream", b"\xff"),
    ],
)
async def test_an_event_of_a_json_client_has_its_data_and_type(
    handled: Hub, app: App, frame: dict[str, Any], content_type: str, body: bytes
) -> None:
    async with handled.connect() as client:
        assert await client.ask(1, type="event", event="e", **frame) == "done"
    received = app.last("e")
    assert (received.headers["content-type"].partition(";")[0], received.body) == (
        content_type,
        body,
    )


@pytest.mark.specified
async def test_a_frame_of_a_simple_client_is_the_event_message(handled: Hub, app: App) -> None:
    """The client receives the answer's body."""
    app.scripts["message"] = [web.Response(text="pong"), web.Response(body=b"\xff")]
    async with handled.connect(None) as client:
        await client.websocket.send_str("ping")
        assert await client.receive_text() == "pong"
        assert app.last("message").headers["content-type"].startswith("text/plain")
        await client.websocket.send_bytes(b"\x00")
        assert await client.websocket.receive_bytes(timeout=SECONDS) == b"\xff"
        assert app.last("message").headers["content-type"] == "application/octet-stream"
        assert app.last("message").body == b"\x00"
        assert "ce-subprotocol" not in app.last("message").headers


@pytest.mark.specified
async def test_an_event_with_metadata_only_has_an_empty_text(handled: Hub, app: App) -> None:
    async with handled.connect() as client:
        assert await client.ask(1, type="event", event="e", metadata={"k": "v"}) == "done"
    received = app.last("e")
    assert received.headers["content-type"].startswith("text/plain")
    assert (received.headers["x-webpubsub-metadata-k"], received.body) == ("v", b"")


@pytest.mark.specified
async def test_a_simple_client_receives_json_answers_as_text(handled: Hub, app: App) -> None:
    """An empty body is no message, or an empty text if there are metadata."""
    metadata = {"X-WebPubSub-Metadata-k": "v"}
    app.scripts["message"] = [
        web.Response(status=200),
        web.Response(text='{"a": 1}', content_type="application/json"),
        web.Response(status=204, headers=metadata),
    ]
    async with handled.connect(None) as client:
        for _ in range(3):
            await client.websocket.send_str("x")
        assert await client.receive_text() == '{"a": 1}'
        assert await client.receive_text() == ""


@pytest.mark.specified
@pytest.mark.parametrize(
    ("response", "data_type", "data"),
    [
        ({"text": "é"}, "text", "é"),
        ({"text": '{"a":1}', "content_type": "application/json"}, "json", {"a": 1}),
        ({"body": b"\xff", "content_type": "application/octet-stream"}, "binary", "/w=="),
        ({"body": b"\xff", "headers": {}}, "binary", "/w=="),
        ({"text": "x", "status": 201}, "text", "x"),
    ],
)
async def test_an_answer_is_a_message_from_the_server(
    handled: Hub, app: App, response: dict[str, Any], data_type: str, data: object
) -> None:
    """It comes before the ack."""
    app.scripts["e"] = [web.Response(**response)]
    async with handled.connect() as client:
        message = await client.exchange(type="event", event="e", data=1, ackId=1)
        expected = {"type": "message", "from": "server", "dataType": data_type, "data": data}
        assert message == expected
        assert await client.receive() == {"type": "ack", "ackId": 1, "success": True}


@pytest.mark.specified
async def test_an_empty_answer_is_no_message(handled: Hub, app: App) -> None:
    app.scripts["e"] = [web.Response(status=204), web.Response(status=200)]
    async with handled.connect() as client:
        for ack_id in (1, 2):
            answer = await client.exchange(type="event", event="e", data=1, ackId=ack_id)
            assert answer == {"type": "ack", "ackId": ack_id, "success": True}


@pytest.mark.specified
async def test_answers_to_a_reliable_client_are_numbered(handled: Hub, app: App) -> None:
    app.scripts["e"] = [web.Response(text="x")]
    async with handled.connect(RELIABLE_JSON) as client:
        assert (await client.exchange(type="event", event="e", data=1))["sequenceId"] == 1


@pytest.mark.specified
@pytest.mark.parametrize("status", [400, 401, 404, 429, 307])
async def test_a_failed_event_keeps_the_client_connected(
    handled: Hub, app: App, status: int
) -> None:
    """The client may try again with the same ack id. It does not see the app's text.

    One page of the documentation says that the client is dropped; Microsoft's emulator and the
    tests of the official clients say that it stays.
    """
    headers = {"ce-connectionState": "lost", "X-WebPubSub-Metadata-k": "lost"}
    failed = web.Response(status=status, text="private", headers=headers)
    app.scripts["e"] = [failed, web.Response(status=204)]
    async with handled.connect() as client:
        answer = await client.exchange(type="event", event="e", data=1, ackId=1)
        assert answer["error"] == {
            "name": "InternalServerError",
            "message": "Internal server error",
        }
        assert await send_event(client) == "done"
        assert await send_event(client) == "Duplicate"
    assert app.events.count("e") == 2
    assert "ce-connectionstate" not in app.last("e").headers


@pytest.mark.specified
async def test_an_answer_of_another_content_type_is_a_failure(handled: Hub, app: App) -> None:
    app.scripts["e"] = [web.Response(text="x", content_type="text/html")]
    async with handled.connect() as client:
        assert await send_event(client) == "InternalServerError"


@pytest.mark.specified
async def test_a_failure_closes_a_simple_client(handled: Hub, app: App) -> None:
    """The sources differ in the close code."""
    app.scripts["message"] = [web.Response(status=400)]
    async with handled.connect(None) as client:
        await client.websocket.send_str("x")
        assert (await client.receive_close())[0] in (1000, 1011)


@pytest.mark.specified
async def test_events_of_a_client_are_sent_one_after_another(handled: Hub, app: App) -> None:
    """Events of other clients do not wait."""
    async with handled.connect() as client, handled.connect() as other:
        await client.send(type="event", event="slow", data=1, ackId=1)
        await client.send(type="event", event="e", data=1, ackId=2)
        assert await send_event(other, name="f") == "done"
        assert [name for name in app.events if name in ("slow", "e", "f")] == ["slow", "f"]
        app.release.set()
        assert [(await client.receive())["ackId"] for _ in range(2)] == [1, 2]
        assert [name for name in app.events if name in ("slow", "e", "f")] == ["slow", "f", "e"]


@pytest.mark.specified
async def test_an_event_without_an_ack_id_gets_no_frame(handled: Hub, app: App) -> None:
    async with handled.connect() as client:
        await app.wait_for("connect", "connected")
        await client.send(type="event", event="e", data=1)
        assert await client.exchange(type="ping") == {"type": "pong"}
        await app.wait_for("connect", "connected", "e")


# --- metadata, state, cookies ------------------------------------------------------------


@pytest.mark.specified
async def test_metadata_of_an_event_are_headers(handled: Hub, app: App) -> None:
    """Metadata of the answer come back in lower case."""
    headers = {"X-WebPubSub-Metadata-Trace": "1, 2"}
    app.scripts["e"] = [web.Response(text="x", headers=headers)]
    async with handled.connect() as client:
        frame = {"type": "event", "event": "e", "data": 1, "metadata": {"Key": "v"}}
        assert (await client.exchange(**frame))["metadata"] == {"trace": "2"}
    assert app.last("e").headers["x-webpubsub-metadata-key"] == "v"


@pytest.mark.specified
async def test_an_answer_with_metadata_only_is_an_empty_text(handled: Hub, app: App) -> None:
    app.scripts["e"] = [web.Response(status=204, headers={"X-WebPubSub-Metadata-k": "v"})]
    async with handled.connect() as client:
        message = await client.exchange(type="event", event="e", data=1)
        assert (message["dataType"], message["data"]) == ("text", "")
        assert message["metadata"] == {"k": "v"}


@pytest.mark.specified
async def test_answers_set_the_state_of_a_connection(handled: Hub, app: App) -> None:
    """Answers without a state and failures keep it. An empty state is a state."""
    answers = ((204, "one"), (204, None), (400, "failed"), (204, ""), (204, None))
    app.scripts["e"] = [
        web.Response(status=status, headers={} if state is None else {"ce-connectionState": state})
        for status, state in answers
    ]
    app.scripts["connect"] = [web.Response(headers={"ce-connectionState": "zero"})]
    async with handled.connect() as client:
        await app.wait_for("connect", "connected")
        for ack_id in range(len(answers)):
            await send_event(client, ack_id)
        await client.websocket.close(code=1000)
        await app.wait_for("connect", "connected", *("e" for _ in answers), "disconnected")
    states = [one.headers.get("ce-connectionstate") for one in app.received if one.method == "POST"]
    assert states == [None, "zero", "zero", "one", "one", "one", "", ""]


@pytest.mark.specified
async def test_cookies_return_with_later_events(handled: Hub, app: App) -> None:
    """They return with events of the same client only."""
    app.scripts["connect"] = [web.Response(headers={"Set-Cookie": "session=1; HttpOnly"})]
    async with handled.connect() as client:
        await app.wait_for("connect", "connected")
        await send_event(client)
        async with handled.connect():
            await app.wait_for("connect", "connected", "e", "connect", "connected")
            posts = [one for one in app.received if one.method == "POST"]
    cookies = [one.headers.get("cookie") for one in posts]
    assert cookies == [None, "session=1", "session=1", None, None]


# --- which event handler -----------------------------------------------------------------


@pytest.mark.specified
@pytest.mark.parametrize("handled", ["shared"], indirect=True)
async def test_the_first_matching_handler_gets_an_event(handled: Hub, app: App) -> None:
    """Patterns are case-insensitive. System events are matched separately."""
    async with handled.connect() as client:
        await app.wait_for("connect", "connected")
        for ack_id, name in enumerate(("a", "b", "connected")):
            assert await send_event(client, ack_id, name) == "done"
        await client.websocket.close(code=1000)
        await app.wait_for("connect", "connected", "a", "b", "connected", "disconnected")
    paths = [one.path.rpartition("/")[2] for one in app.received if one.method == "POST"]
    assert paths == [
        "one-connect", "two-connected", "one-a", "two-b", "one-connected", "one-disconnected",
    ]  # fmt: skip


@pytest.mark.specified
@pytest.mark.parametrize("handled", ["narrow"], indirect=True)
async def test_a_handler_gets_only_events_that_it_names(handled: Hub, app: App) -> None:
    """Neither other user events nor system events."""
    async with handled.connect(JSON) as client:
        assert await send_event(client, 1, "message") == "InternalServerError"
        assert await send_event(client, 2, "other") == "done"
    assert app.events == ["other"]


# --- deliveries --------------------------------------------------------------------------


@pytest.mark.specified
@pytest.mark.parametrize("status", [503, 408])
async def test_an_event_is_retried_after_a_transient_failure(
    handled: Hub, app: App, status: int
) -> None:
    """After a second, with the same id."""
    app.scripts["e"] = [web.Response(status=status), web.Response(status=204)]
    async with handled.connect() as client:
        assert await send_event(client) == "done"
    tries = [
        (one.headers["ce-id"], one.headers["x-ms-client-request-id"], one.body)
        for one in app.received
        if one.headers.get("ce-eventname") == "e"
    ]
    assert len(tries) == 2
    assert len(set(tries)) == 1
