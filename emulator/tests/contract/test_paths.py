"""Names in the path of a call (REST reference, "URL encoding")."""

import pytest

from contract.target import TEXT, Hub


@pytest.mark.specified
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
async def test_names_are_percent_decoded_once_except_slashes(
    hub: Hub, kind: str, segment: str, name: str
) -> None:
    claims = {"users": {"user": name}, "groups": {"group": name}}[kind]
    async with hub.connect(**claims) as client:
        assert await hub.has(f"/{kind}/{segment}")
        await hub.send("x", f"/{kind}/{segment}")
        assert (await client.receive())["data"] == "x"


@pytest.mark.specified
async def test_a_path_cannot_name_a_group_with_a_slash(hub: Hub) -> None:
    async with hub.connect(group="a/b"):
        assert not await hub.has("/groups/a%2Fb")


@pytest.mark.specified
@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize("signed", ["a%2Fb", "a/b", "a%252Fb"])
async def test_a_token_may_spell_the_path_in_three_ways(hub: Hub, signed: str, end: str) -> None:
    """As sent, decoded, or as the service reads it."""
    base = f"/api/hubs/{hub}/groups/"
    token = hub.target.sign(f"{hub.target.endpoint}{base}{signed}/:send")
    headers = TEXT | {"Authorization": f"Bearer {token}"}
    answer = await hub.target.call("POST", f"{base}a%2Fb/:send{end}", "x", headers)
    assert answer.status == 202


@pytest.mark.specified
async def test_the_service_decodes_brackets_but_not_slashes(hub: Hub) -> None:
    """A token with that spelling of the path is accepted."""
    base = "/api/hubs/{}/groups/a%2Fb/:send"
    token = hub.target.sign(hub.target.endpoint + base.format(f"{hub}[1]"))
    headers = TEXT | {"Authorization": f"Bearer {token}"}
    answer = await hub.target.call("POST", base.format(f"{hub}%5B1%5D"), "x", headers)
    assert answer.status == 202


@pytest.mark.specified
@pytest.mark.parametrize(("signed", "called"), [("/", "/"), ("/", ""), ("", "/")])
async def test_a_path_may_end_with_a_slash(hub: Hub, signed: str, called: str) -> None:
    """So may the path in the token's audience, whatever the path of the call has."""
    path = f"/api/hubs/{hub}/groups/g/:send"
    token = hub.target.sign(hub.target.endpoint + path + signed)
    headers = TEXT | {"Authorization": f"Bearer {token}"}
    async with hub.connect(group="g") as client:
        answer = await hub.target.call("POST", path + called, "x", headers)
        assert answer.status == 202
        assert (await client.receive())["data"] == "x"


@pytest.mark.inferred
async def test_a_name_is_the_same_with_a_slash_behind_it(hub: Hub) -> None:
    async with hub.connect(user="ann"):
        assert await hub.has("/users/ann/")


@pytest.mark.inferred
@pytest.mark.parametrize("path", ["/users/ann//", "/users//ann", "/users/ann%2F", "/:send/x"])
async def test_another_slash_is_part_of_the_path(hub: Hub, path: str) -> None:
    async with hub.connect(user="ann"):
        assert not await hub.has(path)
