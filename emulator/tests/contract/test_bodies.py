"""Bodies of messages sent by REST, and what clients receive (REST reference, "Send")."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from contract.target import Hub

LIMIT = 2**20


@pytest.mark.specified
@pytest.mark.parametrize(
    ("content_type", "body", "data_type", "data"),
    [
        ("text/plain", "é", "text", "é"),
        ("text/plain; charset=utf-8", "x", "text", "x"),
        ("text/plain; charset=latin-1", b"\xe9", "text", "é"),
        ("text/plain", "", "text", ""),
        ("application/json", '{"a": [1.50, null]}', "json", {"a": [1.5, None]}),
        ("application/json; charset=utf-8", '"é"', "json", "é"),
        ("application/json", "null", "json", None),
        ("application/octet-stream", b"\xff\x00", "binary", "/wA="),
        ("Text/Plain", "x", "text", "x"),
    ],
)
async def test_text_json_and_bytes_keep_their_type(
    hub: Hub, content_type: str, body: str | bytes, data_type: str, data: object
) -> None:
    """JSON clients receive text in Unicode, whatever charset the body had."""
    async with hub.connect() as client:
        answer = await hub.call("POST", "/:send", body, Content_Type=content_type)
        assert answer.status == 202
        frame = await client.receive()
    assert (frame["from"], frame["dataType"], frame["data"]) == ("server", data_type, data)


@pytest.mark.specified
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", "x"),
        ("application/json", '"quoted"'),
        ("application/json", '{ "a" : 1.50 }'),
    ],
)
async def test_simple_clients_receive_text_and_json_unchanged(
    hub: Hub, content_type: str, body: str
) -> None:
    """As text frames with exactly the same characters."""
    async with hub.connect(None) as client:
        await hub.call("POST", "/:send", body, Content_Type=content_type)
        assert await client.receive_text() == body


@pytest.mark.specified
async def test_simple_clients_receive_bytes_as_binary_frames(hub: Hub) -> None:
    async with hub.connect(None) as client:
        await hub.call("POST", "/:send", b"\xff", Content_Type="application/octet-stream")
        assert await client.websocket.receive_bytes(timeout=60) == b"\xff"


@pytest.mark.specified
async def test_a_body_without_content_type_is_bytes(hub: Hub) -> None:
    url = f"{hub.target.endpoint}/api/hubs/{hub}/:send?api-version=2024-12-01"
    headers = {"Authorization": f"Bearer {hub.target.sign(url)}"}
    async with (
        hub.connect() as client,
        aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session,
        session.post(url, data=b"x", headers=headers) as response,
    ):
        assert response.status == 202
        frame = await client.receive()
    assert (frame["dataType"], frame["data"]) == ("binary", "eA==")


@pytest.mark.specified
@pytest.mark.parametrize("to", ["", "/groups/g", "/users/u", "/connections/c"])
@pytest.mark.parametrize(
    "content_type",
    ["text/xml", "nonsense", "application/x-protobuf", "text/plain; charset=klingon"],
)
async def test_another_content_type_is_415(hub: Hub, to: str, content_type: str) -> None:
    """An unknown charset, too. The answer has no body."""
    answer = await hub.call("POST", f"{to}/:send", "x", Content_Type=content_type)
    assert (answer.status, answer.body) == (415, "")


@pytest.mark.specified
@pytest.mark.parametrize("to", ["", "/groups/g", "/users/u", "/connections/c"])
@pytest.mark.parametrize("body", ["", "{", "nonsense"])
async def test_a_json_body_must_be_valid_json(hub: Hub, to: str, body: str) -> None:
    answer = await hub.call("POST", f"{to}/:send", body)
    assert answer.status == 400
    assert answer.body["message"] == "The request body is not a valid JSON."


@pytest.mark.specified
async def test_a_message_may_have_1_mib(hub: Hub) -> None:
    """One byte more is refused: with 400 by Microsoft's emulator; Azure's status is unknown."""
    async with hub.connect(None) as client:
        await hub.send("x" * LIMIT)
        assert len(await client.receive_text()) == LIMIT
    # aiohttp warns of large bodies unless they are streams.
    headers = {"Content_Type": "text/plain", "Content_Length": str(LIMIT + 1)}
    answer = await hub.call("POST", "/:send", chunks(b"x" * (LIMIT + 1)), **headers)
    assert answer.status in (400, 413)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """Yield a body whose length its sender does not know."""
    for part in parts:
        yield part
        await asyncio.sleep(0)


@pytest.mark.specified
async def test_a_body_needs_content_length(hub: Hub) -> None:
    answer = await hub.call("POST", "/:send", chunks(b"1", b"2"))
    assert (answer.status, answer.body["message"]) == (400, "Invalid Content-Length header.")


# --- metadata ----------------------------------------------------------------------------


@pytest.mark.specified
async def test_metadata_headers_reach_json_clients(hub: Hub) -> None:
    """Every kind of send passes them on. Keys are in lower case; the last value counts."""
    async with hub.connect(user="ann", group="g") as client:
        for to in ("", "/groups/g", "/users/ann", client.path):
            headers = {"X-WebPubSub-Metadata-Trace-Id": "0, 7 ", "X-WebPubSub-Metadata-b": ""}
            assert (await hub.call("POST", f"{to}/:send", "1", **headers)).status == 202
            assert (await client.receive())["metadata"] == {"trace-id": "7", "b": ""}


@pytest.mark.specified
async def test_a_message_without_metadata_has_no_metadata_key(hub: Hub) -> None:
    """Simple clients never receive metadata."""
    async with hub.connect() as client, hub.connect(None) as simple:
        await hub.send("x")
        assert "metadata" not in await client.receive()
        assert await simple.receive_text() == "x"
        await hub.call("POST", "/:send", "1", **{"X-WebPubSub-Metadata-a": "v"})
        assert await simple.receive_text() == "1"


@pytest.mark.specified
@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        pytest.param({"a": "v" * 1024}, 202, id="value of 1,024"),
        pytest.param({"a": "v" * 1025}, 400, id="value of 1,025"),
        pytest.param({"k" * 256: "v"}, 202, id="key of 256"),
        pytest.param({"k" * 257: "v"}, 400, id="key of 257"),
        pytest.param({f"key{n}": "v" * 1019 for n in range(8)}, 202, id="8,184 in total"),
        pytest.param({f"key{n}": "v" * 1022 for n in range(8)}, 400, id="8,208 in total"),
        pytest.param({"a": "é"}, 400, id="not ASCII"),
    ],
)
async def test_metadata_have_limits(hub: Hub, metadata: dict[str, str], status: int) -> None:
    """256 bytes a key, 1,024 bytes a value, 8 KiB in total, ASCII only."""
    headers = {f"X-WebPubSub-Metadata-{key}": value for key, value in metadata.items()}
    assert (await hub.call("POST", "/:send", "1", **headers)).status == status
