"""Client access tokens of `:generateToken` (REST reference, "Generate Client Token").

Microsoft's emulator refuses access keys here (401); whether the service does is not known.
"""

import time
from typing import Any

import jwt

from contract.target import JSON, Hub


async def generate(hub: Hub, query: str = "") -> tuple[str, dict[str, Any]]:
    """A token and its claims."""
    answer = await hub.call("POST", f"/:generateToken?{query}")
    assert answer.status == 200
    token = answer.body["token"]
    return token, jwt.decode(token, options={"verify_signature": False})


async def test_the_claims(hub: Hub) -> None:
    """As recorded: the audience is the hub's URL, and what was not asked for is not there."""
    _, claims = await generate(hub)
    assert claims["aud"].partition("://")[2].endswith(f"/client/hubs/{hub}")
    assert claims["iss"] == "https://webpubsub.azure.com"
    assert claims.keys() >= {"aud", "exp", "iat", "nbf"}
    assert not claims.keys() & {"role", "webpubsub.group"}


async def test_the_header(hub: Hub) -> None:
    """As recorded: it names the algorithm, the type, and which key has signed."""
    token, _ = await generate(hub)
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["typ"]) == ("HS256", "JWT")
    assert header["kid"]


async def test_what_was_asked_for(hub: Hub) -> None:
    """User, roles and groups; one of several is a text, several are a list."""
    _, claims = await generate(hub, "userId=ann&role=r1&group=a&group=b")
    assert (claims["sub"], claims["role"], claims["webpubsub.group"]) == ("ann", "r1", ["a", "b"])


async def test_values_are_taken_whole(hub: Hub) -> None:
    """A comma does not separate roles or groups; each has a parameter of its own."""
    _, claims = await generate(hub, "role=a,b&role=c&group=d,e")
    assert (claims["role"], claims["webpubsub.group"]) == (["a,b", "c"], "d,e")


async def test_the_lifetime(hub: Hub) -> None:
    """An hour unless it is asked otherwise."""
    for query, seconds in (("", 3600), ("minutesToExpire=5", 300)):
        _, claims = await generate(hub, query)
        assert abs(claims["exp"] - time.time() - seconds) < 60


async def test_hubs_are_in_lower_case(hub: Hub) -> None:
    """In the audience."""
    _, claims = await generate(Hub(hub.target, hub.name.upper()))
    assert claims["aud"].endswith(f"/client/hubs/{hub}")


async def test_a_token_lets_its_client_in(hub: Hub) -> None:
    """With its user, groups and roles."""
    query = "userId=ann&role=webpubsub.sendToGroup.g&group=g&clientType=default"
    token, _ = await generate(hub, query)
    async with hub.target.open(hub.client_path, [JSON], token) as client:
        client.hello = await client.receive()
        assert client.hello["userId"] == "ann"
        assert await hub.has("/groups/g")
        assert await client.ask(1, type="sendToGroup", group="g", data=1) == "done"
        assert await client.ask(2, type="joinGroup", group="g") == "Forbidden"
