"""Client access tokens of `:generateToken` (REST reference, "Generate Client Token").

Microsoft's emulator refuses access keys here (401). Whether the service does is unknown.
"""

import time
from typing import Any

import jwt
import pytest

from contract.target import JSON, Hub


async def generate(hub: Hub, query: str = "") -> tuple[str, dict[str, Any]]:
    """Return a token and its claims."""
    answer = await hub.call("POST", f"/:generateToken?{query}")
    assert answer.status == 200
    token = answer.body["token"]
    return token, jwt.decode(token, options={"verify_signature": False})


@pytest.mark.recorded
async def test_the_claims_include_audience_issuer_and_times(hub: Hub) -> None:
    """As recorded. The audience is the hub's URL; roles and groups are absent unless requested."""
    _, claims = await generate(hub)
    assert claims["aud"].partition("://")[2].endswith(f"/client/hubs/{hub}")
    assert claims["iss"] == "https://webpubsub.azure.com"
    assert claims.keys() >= {"aud", "exp", "iat", "nbf"}
    assert not claims.keys() & {"role", "webpubsub.group"}


@pytest.mark.recorded
async def test_the_header_names_algorithm_type_and_key(hub: Hub) -> None:
    """As recorded."""
    token, _ = await generate(hub)
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["typ"]) == ("HS256", "JWT")
    assert header["kid"]


@pytest.mark.specified
async def test_the_claims_have_the_requested_user_roles_and_groups(hub: Hub) -> None:
    """One value is a text, several values are a list."""
    _, claims = await generate(hub, "userId=ann&role=r1&group=a&group=b")
    assert (claims["sub"], claims["role"], claims["webpubsub.group"]) == ("ann", "r1", ["a", "b"])


@pytest.mark.specified
async def test_a_comma_does_not_separate_roles_or_groups(hub: Hub) -> None:
    """Each value has its own parameter."""
    _, claims = await generate(hub, "role=a,b&role=c&group=d,e")
    assert (claims["role"], claims["webpubsub.group"]) == (["a,b", "c"], "d,e")


@pytest.mark.specified
async def test_a_token_lasts_an_hour_by_default(hub: Hub) -> None:
    for query, seconds in (("", 3600), ("minutesToExpire=5", 300)):
        _, claims = await generate(hub, query)
        assert abs(claims["exp"] - time.time() - seconds) < 60


@pytest.mark.specified
async def test_the_audience_has_the_hub_in_lower_case(hub: Hub) -> None:
    _, claims = await generate(Hub(hub.target, hub.name.upper()))
    assert claims["aud"].endswith(f"/client/hubs/{hub}")


@pytest.mark.specified
async def test_a_client_with_the_token_has_its_user_groups_and_roles(hub: Hub) -> None:
    query = "userId=ann&role=webpubsub.sendToGroup.g&group=g&clientType=default"
    token, _ = await generate(hub, query)
    async with hub.target.open(hub.client_path, [JSON], token) as client:
        client.hello = await client.receive()
        assert client.hello["userId"] == "ann"
        assert await hub.has("/groups/g")
        assert await client.ask(1, type="sendToGroup", group="g", data=1) == "done"
        assert await client.ask(2, type="joinGroup", group="g") == "Forbidden"
