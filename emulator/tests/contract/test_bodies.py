"""What a message of a REST call carries, and how clients get it (REST reference, "Send")."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from contract.target import Hub

LIMIT = 2**20


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
async def test_types(
    hub: Hub, content_type: str, body: str | bytes, data_type: str, data: object
) -> None:
    """Text, JSON and bytes reach a JSON client as what they are, in whatever charset they came."""
    async with hub.connect() as client:
        answer = await hub.call("POST", "/:send", body, Content_Type=content_type)
        assert answer.status == 202
        frame = await client.receive()
    assert (frame["from"], frame["dataType"], frame["data"]) == ("server", data_type, data)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", "x"),
        ("application/json", '"quoted"'),
        ("application/json", '{ "a" : 1.50 }'),
    ],
)
async def test_texts_for_simple_clients(hub: Hub, content_type: str, body: str) -> None:
    """Text and JSON are a text frame with the very same characters."""
    async with hub.connect(None) as client:
        await hub.call("POST", "/:send", body, Content_Type=content_type)
        assert await client.receive_text() == body


async def test_bytes_for_simple_clients(hub: Hub) -> None:
    """Bytes are a binary frame."""
    async with hub.connect(None) as client:
        await hub.call("POST", "/:send", b"\xff", Content_Type="application/octet-stream")
        assert await client.websocket.receive_bytes(timeout=10) == b"\xff"


async def test_no_type(hub: Hub) -> None:
    """A body without Content-Type is bytes."""
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


@pytest.mark.parametrize("to", ["", "/groups/g", "/users/u", "/connections/c"])
@pytest.mark.parametrize("content_type", ["text/xml", "nonsense", "text/plain; charset=klingon"])
async def test_other_types(hub: Hub, to: str, content_type: str) -> None:
    """Another type, or a charset that nobody knows, is 415 with every send, and nothing more."""
    answer = await hub.call("POST", f"{to}/:send", "x", Content_Type=content_type)
    assert (answer.status, answer.body) == (415, "")


@pytest.mark.parametrize("to", ["", "/groups/g", "/users/u", "/connections/c"])
@pytest.mark.parametrize("body", ["", "{", "nonsense"])
async def test_json_must_be_json(hub: Hub, to: str, body: str) -> None:
    """It is looked at before it is sent."""
    answer = await hub.call("POST", f"{to}/:send", body)
    assert answer.status == 400
    assert answer.body["message"] == "The request body is not a valid JSON."


async def test_the_largest_message(hub: Hub) -> None:
    """1 MiB goes through, and a byte more is refused.

    With 400 in Microsoft's emulator; the status of the service itself is not known.
    """
    async with hub.connect(None) as client:
        await hub.send("x" * LIMIT)
        assert len(await client.receive_text()) == LIMIT
    # As a stream, of which aiohttp does not warn.
    headers = {"Content_Type": "text/plain", "Content_Length": str(LIMIT + 1)}
    answer = await hub.call("POST", "/:send", chunks(b"x" * (LIMIT + 1)), **headers)
    assert answer.status in (400, 413)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """A body whose length its sender does not know."""
    for part in parts:
        yield part
        await asyncio.sleep(0)


async def test_a_body_needs_a_length(hub: Hub) -> None:
    """Without Content-Length it is refused."""
    answer = await hub.call("POST", "/:send", chunks(b"1", b"2"))
    assert (answer.status, answer.body["message"]) == (400, "Invalid Content-Length header.")


# --- metadata ----------------------------------------------------------------------------


async def test_metadata(hub: Hub) -> None:
    """Headers reach JSON clients with every kind of send: keys in lower case, the last value."""
    async with hub.connect(user="ann", group="g") as client:
        for to in ("", "/groups/g", "/users/ann", client.path):
            headers = {"X-WebPubSub-Metadata-Trace-Id": "0, 7 ", "X-WebPubSub-Metadata-b": ""}
            assert (await hub.call("POST", f"{to}/:send", "1", **headers)).status == 202
            assert (await client.receive())["metadata"] == {"trace-id": "7", "b": ""}


async def test_no_metadata(hub: Hub) -> None:
    """A message without them has no such key; a simple client never sees them."""
    async with hub.connect() as client, hub.connect(None) as simple:
        await hub.send("x")
        assert "metadata" not in await client.receive()
        assert await simple.receive_text() == "x"
        await hub.call("POST", "/:send", "1", **{"X-WebPubSub-Metadata-a": "v"})
        assert await simple.receive_text() == "1"


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        pytest.param({"a": "v" * 1024}, 202, id="value of 1,024"),
        pytest.param({"a": "v" * 1025}, 400, id="value of 1,025"),
        pytest.param({"k" * 256: "v"}, 202, id="key of 256"),
        pytest.param({"k" * 257: "v"}, 400, id="key of 257"),
        pytest.param({f"key{n}": "v" * 1019 for n in range(8)}, 202, id="8,184 in all"),
        pytest.param({f"key{n}": "v" * 1022 for n in range(8)}, 400, id="8,208 in all"),
        pytest.param({"a": "é"}, 400, id="not ASCII"),
    ],
)
async def test_limits_of_metadata(hub: Hub, metadata: dict[str, str], status: int) -> None:
    """256 bytes a key, 1,024 a value, 8 KiB in all, ASCII."""
    headers = {f"X-WebPubSub-Metadata-{key}": value for key, value in metadata.items()}
    assert (await hub.call("POST", "/:send", "1", **headers)).status == status
