"""How names are written in the path of a call (REST reference, "URL encoding")."""

import pytest

from contract.target import TEXT, Hub


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ("tenant%2Falice", "tenant%2Falice"),
        ("tenant%252Falice", "tenant%2Falice"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("a%3Fb", "a?b"),
        ("a%23b", "a#b"),
        ("a%25b", "a%b"),
        ("%C3%A9", "é"),
        ("a:b@c", "a:b@c"),
    ],
)
@pytest.mark.parametrize("kind", ["users", "groups"])
async def test_names_in_paths(hub: Hub, kind: str, segment: str, name: str) -> None:
    """Percent-encoding is decoded once, but for the slash, which stays as it is."""
    claims = {"users": {"user": name}, "groups": {"group": name}}[kind]
    async with hub.connect(**claims) as client:
        assert await hub.has(f"/{kind}/{segment}")
        await hub.send("x", f"/{kind}/{segment}")
        assert (await client.receive())["data"] == "x"


async def test_a_slash_cannot_be_named(hub: Hub) -> None:
    """A group that a token calls a/b is out of reach for a call."""
    async with hub.connect(group="a/b"):
        assert not await hub.has("/groups/a%2Fb")


@pytest.mark.parametrize("signed", ["a%2Fb", "a/b", "a%252Fb"])
async def test_spellings_of_a_signed_path(hub: Hub, signed: str) -> None:
    """A token for the path as sent, decoded, or as the service reads it opens the call."""
    base = f"/api/hubs/{hub}/groups/"
    token = hub.target.sign(f"{hub.target.endpoint}{base}{signed}/:send")
    headers = TEXT | {"Authorization": f"Bearer {token}"}
    answer = await hub.target.call("POST", f"{base}a%2Fb/:send", "x", headers)
    assert answer.status == 202


async def test_a_signed_path_that_is_decoded_in_part(hub: Hub) -> None:
    """With a bracket in the hub, the service's own reading has the bracket, and %2F still."""
    base = "/api/hubs/{}/groups/a%2Fb/:send"
    token = hub.target.sign(hub.target.endpoint + base.format(f"{hub}[1]"))
    headers = TEXT | {"Authorization": f"Bearer {token}"}
    answer = await hub.target.call("POST", base.format(f"{hub}%5B1%5D"), "x", headers)
    assert answer.status == 202
