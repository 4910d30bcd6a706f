"""Invocations: events whose answer a client gets under an id of its own choice.

The frames are in npm's web-pubsub-client 1.1.0 (README, "Invoke upstream events", and
models/messages.ts) and in webpubsub.v1.proto. The rest is inferred from events.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from contract.target import RELIABLE_JSON, Client, Hub
from unit.app import App

INVOKE = {"type": "invoke", "target": "event", "event": "e"}


@pytest.fixture
async def client(handled: Hub, app: App) -> AsyncIterator[Client]:
    """Provide a client whose invocations go to `app`."""
    async with handled.connect() as opened:
        yield opened


async def invoke(client: Client, invocation_id: str = "1", **frame: Any) -> dict[str, Any]:
    """Invoke the event e and return the response."""
    response = await client.exchange(**(INVOKE | {"invocationId": invocation_id} | frame))
    assert (response["type"], response["invocationId"]) == ("invokeResponse", invocation_id)
    return response


@pytest.mark.specified
@pytest.mark.parametrize(
    ("frame", "content_type", "body"),
    [
        ({"dataType": "json", "data": {"a": 1}}, "application/json", b'{"a": 1}'),
        ({"dataType": "text", "data": "é"}, "text/plain", "é".encode()),
        ({"dataType": "binary", "data": "/w=="}, "application/octet-stream", b"\xff"),
    ],
)
async def test_an_invocation_is_a_user_event(
    client: Client, app: App, frame: dict[str, Any], content_type: str, body: bytes
) -> None:
    """The middleware of npm's web-pubsub-express handles both with `handleUserEvent`."""
    assert (await invoke(client, **frame))["success"] is True
    event = app.last("e")
    assert event.headers["ce-type"] == "azure.webpubsub.user.e"
    assert (event.headers["content-type"].partition(";")[0], event.body) == (content_type, body)


@pytest.mark.specified
@pytest.mark.parametrize(
    ("answer", "data_type", "data"),
    [
        ({"text": "pong"}, "text", "pong"),
        ({"text": '{"a":1}', "content_type": "application/json"}, "json", {"a": 1}),
        ({"body": b"\xff", "content_type": "application/octet-stream"}, "binary", "/w=="),
    ],
)
async def test_the_response_has_the_data_of_the_answer(
    client: Client, app: App, answer: dict[str, Any], data_type: str, data: object
) -> None:
    app.scripts["e"] = [web.Response(**answer)]
    assert await invoke(client, data=1) == {
        "type": "invokeResponse",
        "invocationId": "1",
        "success": True,
        "dataType": data_type,
        "data": data,
    }


@pytest.mark.inferred
async def test_an_empty_answer_is_a_success_without_data(client: Client, app: App) -> None:
    response = await invoke(client, data=1)
    assert response == {"type": "invokeResponse", "invocationId": "1", "success": True}


@pytest.mark.specified
async def test_metadata_of_the_answer_come_with_the_response(client: Client, app: App) -> None:
    """Metadata of the invocation are headers of the event (webpubsub.v1.proto)."""
    app.scripts["e"] = [web.Response(text="x", headers={"X-WebPubSub-Metadata-K": "v"})]
    assert (await invoke(client, data=1, metadata={"Key": "1"}))["metadata"] == {"k": "v"}
    assert app.last("e").headers["x-webpubsub-metadata-key"] == "1"


@pytest.mark.specified
async def test_a_refusal_is_a_response_with_an_error(client: Client, app: App) -> None:
    """It has a name and a message."""
    app.scripts["e"] = [web.Response(status=400, text="private")]
    response = await invoke(client, data=1)
    assert (response["success"], "data" in response) == (False, False)
    assert response["error"].keys() == {"name", "message"}


@pytest.mark.inferred
async def test_a_refusal_is_an_internal_server_error_to_the_client(
    client: Client, app: App
) -> None:
    """As for events. The app's text and status stay private, and the client stays connected."""
    app.scripts["e"] = [web.Response(status=401, text="private")]
    error = (await invoke(client, data=1))["error"]
    assert error == {"name": "InternalServerError", "message": "Internal server error"}
    assert (await invoke(client, "2", data=1))["success"] is True


@pytest.mark.inferred
@pytest.mark.parametrize("handled", ["narrow"], indirect=True)
async def test_an_invocation_without_an_event_handler_fails(client: Client) -> None:
    assert (await invoke(client, data=1))["error"]["name"] == "NotFound"


@pytest.mark.inferred
async def test_an_invocation_needs_no_data(client: Client, app: App) -> None:
    """Data are optional in webpubsub.v1.proto. The event has an empty text."""
    assert (await invoke(client))["success"] is True
    event = app.last("e")
    assert (event.headers["content-type"].partition(";")[0], event.body) == ("text/plain", b"")


@pytest.mark.specified
async def test_responses_come_in_the_order_of_the_answers(client: Client, app: App) -> None:
    """Each invocation is its own, so a slow one delays neither others nor other frames."""
    await client.send(**INVOKE | {"invocationId": "slow one", "event": "slow"}, data=1)
    assert (await invoke(client, "fast one", data=1))["success"] is True
    assert await client.exchange(type="ping") == {"type": "pong"}
    app.release.set()
    assert (await client.receive())["invocationId"] == "slow one"


@pytest.mark.specified
async def test_a_cancelled_invocation_has_no_response(client: Client, app: App) -> None:
    """The client drops its answer anyway (npm's invocationManager)."""
    await client.send(**INVOKE | {"invocationId": "1", "event": "slow"}, data=1)
    await client.send(type="cancelInvocation", invocationId="1")
    assert await client.exchange(type="ping") == {"type": "pong"}
    app.release.set()
    assert (await invoke(client, "2", data=1))["success"] is True


@pytest.mark.inferred
async def test_an_id_may_be_used_again_after_its_response(client: Client) -> None:
    for _ in range(2):
        assert (await invoke(client, "same", data=1))["success"] is True


@pytest.mark.inferred
async def test_an_id_of_a_running_invocation_is_refused(client: Client, app: App) -> None:
    """The official client refuses it itself."""
    await client.send(**INVOKE | {"invocationId": "1", "event": "slow"}, data=1)
    assert (await invoke(client, "1", data=1))["error"]["name"] == "BadRequest"
    app.release.set()
    assert (await client.receive())["success"] is True


@pytest.mark.inferred
async def test_a_transient_failure_is_retried(client: Client, app: App) -> None:
    """As for events: after a second, with the same id."""
    app.scripts["e"] = [web.Response(status=503), web.Response(text="second")]
    assert (await invoke(client, data=1))["data"] == "second"
    assert app.events.count("e") == 2


@pytest.mark.inferred
async def test_an_answer_to_an_invocation_sets_the_state(client: Client, app: App) -> None:
    app.scripts["e"] = [web.Response(headers={"ce-connectionState": "s"})]
    await invoke(client, data=1)
    await invoke(client, "2", data=1)
    assert app.last("e").headers["ce-connectionstate"] == "s"


@pytest.mark.specified
async def test_a_response_to_a_reliable_client_has_no_sequence_id(handled: Hub, app: App) -> None:
    """Only messages and group states have one (webpubsub.v1.proto)."""
    async with handled.connect(RELIABLE_JSON) as client:
        assert "sequenceId" not in await invoke(client, data=1)


@pytest.mark.inferred
async def test_invocations_need_no_role(hub: Hub) -> None:
    """As events. Without an event handler they fail, and the client stays connected."""
    async with hub.connect() as client:
        assert (await invoke(client, data=1))["success"] is False
        assert await client.exchange(type="ping") == {"type": "pong"}


@pytest.mark.inferred
async def test_a_cancellation_of_an_unknown_invocation_is_ignored(hub: Hub) -> None:
    async with hub.connect() as client:
        await client.send(type="cancelInvocation", invocationId="unknown")
        assert await client.exchange(type="ping") == {"type": "pong"}


@pytest.mark.inferred
@pytest.mark.parametrize(
    "frame",
    [
        {"type": "invoke", "event": "e", "data": 1},
        {"type": "invoke", "event": "e", "data": 1, "invocationId": ""},
        {"type": "invoke", "event": "e", "data": 1, "invocationId": 1},
        {"type": "invoke", "data": 1, "invocationId": "1"},
        {"type": "invoke", "event": "9", "data": 1, "invocationId": "1"},
        {"type": "invoke", "event": "e", "data": 1, "invocationId": "1", "target": "group"},
        {"type": "invoke", "event": "e", "dataType": "text", "data": 1, "invocationId": "1"},
        {"type": "cancelInvocation"},
    ],
)
async def test_a_malformed_invocation_closes_with_1007(hub: Hub, frame: dict[str, Any]) -> None:
    """As every other malformed frame."""
    async with hub.connect() as client:
        await client.send(**frame)
        assert (await client.receive_close())[0] == 1007
