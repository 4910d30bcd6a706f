"""How clients connect (concept-client-protocols; the client specification, "Handshake")."""

import time
from typing import Any

import aiohttp
import jwt
import pytest
from yarl import URL

from contract.target import JSON, RELIABLE_JSON, Hub

HOUR = 3600


@pytest.mark.specified
async def test_the_first_frame_names_user_and_connection(hub: Hub) -> None:
    async with hub.connect(user="ann") as client:
        expected = {"type": "system", "event": "connected", "userId": "ann"}
        assert client.hello == expected | {"connectionId": client.connection_id}
        assert await hub.has(client.path)
        assert await hub.has("/users/ann")


@pytest.mark.specified
async def test_a_client_may_have_no_user(hub: Hub) -> None:
    async with hub.connect() as client:
        assert client.hello["userId"] is None


@pytest.mark.specified
async def test_two_clients_of_a_user_are_two_connections(hub: Hub) -> None:
    async with hub.connect(user="ann") as one, hub.connect(user="ann") as two:
        assert one.connection_id != two.connection_id


@pytest.mark.specified
async def test_the_token_in_the_query_wins_over_a_header(hub: Hub) -> None:
    """The name of the parameter is case-insensitive."""
    wrong = {"Authorization": "Bearer nonsense"}
    for key in ("access_token", "Access_Token"):
        path = f"{hub.client_path}?{key}={hub.token(user='ann')}"
        async with hub.target.open(path, [JSON], headers=wrong) as client:
            assert (await client.receive())["userId"] == "ann"


@pytest.mark.specified
async def test_the_hub_may_be_in_the_query(hub: Hub) -> None:
    """As documented. Microsoft's emulator does not have this path."""
    path = f"/client/?hub={hub}"
    async with hub.target.open(path, [JSON], hub.token(user="ann")) as client:
        assert (await client.receive())["userId"] == "ann"
        assert await hub.has("/users/ann")


@pytest.mark.specified
async def test_the_hub_is_case_insensitive(hub: Hub) -> None:
    upper = Hub(hub.target, hub.name.upper())
    async with upper.connect(user="ann"):
        assert await hub.has("/users/ann")


@pytest.mark.recorded
@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
async def test_the_scheme_of_the_audience_is_ignored(hub: Hub, scheme: str) -> None:
    """As measured with Azure. Microsoft's emulator requires the scheme of the request."""
    host = hub.target.endpoint.partition("://")[2]
    token = hub.target.sign(f"{scheme}://{host}{hub.client_path}")
    async with hub.target.open(hub.client_path, [JSON], token) as client:
        assert (await client.receive())["event"] == "connected"


@pytest.mark.recorded
@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "{endpoint}{path}x"},
        {"aud": "{endpoint}/client/hubs/other"},
        {"aud": "{endpoint}client/hubs/{hub}"},
        {"aud": "https://other.example{path}"},
        {"aud": "https://webpubsub.azure.com"},
        {"aud": "{endpoint}/api/hubs/{hub}"},
        {"exp": -15 * 60},
        {"nbf": 15 * 60},
    ],
)
async def test_a_token_for_something_else_is_401(hub: Hub, claims: dict[str, Any]) -> None:
    """Another hub or host, a token of Entra or of the data plane, a time in the past or future."""
    audience = claims.get("aud", "{endpoint}{path}")
    names = {"endpoint": hub.target.endpoint, "path": hub.client_path, "hub": hub}
    now = int(time.time())
    times = {name: now + claims[name] for name in ("exp", "nbf") if name in claims}
    token = hub.target.sign(audience.format(**names), **times)
    assert await hub.target.refusal(hub.client_path, [JSON], token) == 401


@pytest.mark.specified
async def test_clocks_may_differ_by_five_minutes(hub: Hub) -> None:
    """A token is accepted shortly after it expired. An open connection outlives its token."""
    async with hub.connect(exp=int(time.time()) - 4 * 60) as client:
        assert client.hello["event"] == "connected"
        assert await client.exchange(type="ping") == {"type": "pong"}


@pytest.mark.specified
async def test_no_token_or_a_wrong_token_is_401(hub: Hub) -> None:
    audience = f"{hub.target.endpoint}{hub.client_path}"
    claims = {"aud": audience, "exp": int(time.time()) + HOUR}
    other = jwt.encode(claims, "another-key-of-at-least-32-bytes!", algorithm="HS256")
    for token in ("", "rubbish", other):
        assert await hub.target.refusal(hub.client_path, [JSON], token) == 401


@pytest.mark.specified
async def test_a_blank_group_in_the_token_is_400(hub: Hub) -> None:
    assert await hub.target.refusal(hub.client_path, [JSON], hub.token(group=["g", " "])) == 400


@pytest.mark.specified
@pytest.mark.parametrize(
    "path", ["/client/hubs/{hub}/more", "/client/hubs/{hub}//", "/clients/unknown/hubs/{hub}"]
)
async def test_an_unknown_path_is_404(hub: Hub, path: str) -> None:
    assert await hub.target.refusal(path.format(hub=hub), [JSON], hub.token()) == 404


@pytest.mark.specified
async def test_a_request_without_upgrade_is_400(hub: Hub) -> None:
    url = URL(f"{hub.target.endpoint}{hub.client_path}")
    headers = {"Authorization": f"Bearer {hub.token()}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers) as response,
    ):
        assert response.status == 400


# --- subprotocols ------------------------------------------------------------------------


@pytest.mark.specified
@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        ([JSON], JSON),
        ([RELIABLE_JSON], RELIABLE_JSON),
        ([RELIABLE_JSON, JSON], RELIABLE_JSON),
        (["other", JSON], JSON),
        ([JSON.upper()], JSON.upper()),
        (["other"], None),
        ([], None),
    ],
)
async def test_the_first_known_subprotocol_is_chosen(
    hub: Hub, offered: list[str], answered: str | None
) -> None:
    """It is answered as the client spelled it. Without one the client is a simple client."""
    async with hub.target.open(hub.client_path, offered, hub.token()) as client:
        # websocket.protocol is empty if the case differs.
        response = client.websocket._response
        assert response.headers.get("Sec-WebSocket-Protocol") == answered
        if answered:
            assert (await client.receive())["event"] == "connected"
        await hub.send("x")
        if answered:
            assert (await client.receive())["data"] == "x"
        else:
            assert await client.receive_text() == "x"
