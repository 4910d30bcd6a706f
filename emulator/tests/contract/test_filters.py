"""Which connections a filter selects (reference-odata-filter)."""

from typing import Any

import pytest

from contract.target import Hub, escape


async def receives(hub: Hub, text: str, user: str | None) -> bool:
    """Return whether a client in groups g1 and g2 receives a message with that filter."""
    claims: dict[str, Any] = {} if user is None else {"user": user, "group": ["g1", "g2"]}
    async with hub.connect(**claims) as client:
        answer = await hub.call("POST", f"/:send?filter={escape(text)}", "1")
        assert answer.status == 202
        await hub.send("marker")
        return bool((await client.receive())["data"] == 1)


@pytest.mark.specified
@pytest.mark.parametrize(
    ("text", "ann", "anonymous"),
    [
        ("userId eq 'Ann'", True, False),
        ("USERID eq 'ann'", False, False),
        ("connectionId ne 'c1'", True, True),
        ("'g2' in Groups", True, False),
        ("'G2' in groups", False, False),
        ("protocol eq 'json.webpubsub.azure.v1'", True, True),
        ("true or false and false", True, True),
        ("(true or false) and false", False, False),
        ("not 'g1' in groups", False, True),
        ("userId eq null", False, True),
        ("1 eq true", False, False),
        ("1 ne '1'", True, True),
        ("length(userId) ge 3", True, False),
        ("length(userId) le 3 and length(userId) gt 2", True, False),
        ("null gt 1", False, False),
        ("userId in ('Bob', 'Ann')", True, False),
        ("length(groups) eq 2", True, False),
        ("tolower(userId) eq 'ann'", True, False),
        ("toupper(userId) eq 'ANN'", True, False),
        ("trim('  x ') eq 'x'", True, True),
        ("length(userId) eq null", False, True),
        ("contains(userId, 'nn')", True, False),
        ("startswith(userId, 'An')", True, False),
        ("not endswith(userId, 'x')", True, True),
        ("indexof(userId, 'n') eq 1", True, False),
        ("indexof(userId, 'x') eq -1", True, True),
        ("concat(userId, '!') eq '!'", False, True),
        ("substring(userId, 1) eq 'nn'", True, False),
        ("substring(userId, 1, 1) eq 'n'", True, False),
        ("substring(userId, 4) eq null", True, True),
        ("userId ne 'it''s'", True, True),
    ],
)
async def test_a_filter_selects_connections(
    hub: Hub, text: str, ann: bool, anonymous: bool
) -> None:
    """A user with two groups, and an anonymous client without groups."""
    assert (await receives(hub, text, "Ann"), await receives(hub, text, None)) == (ann, anonymous)


@pytest.mark.specified
@pytest.mark.parametrize(
    "text",
    [
        " ",
        "userId",
        "1 and true",
        "unknown eq 1",
        "unknown(userId)",
        "groups/any()",
        "1 add 1 eq 2",
        "userId lt 1",
        "not length(userId) gt 5",
        "userId eq null or connectionId",
        "length('a', 'b') eq 1",
        "substring('a') eq 'a'",
        "userId in 'a'",
        "userId eq 'a",
        "(true",
    ],
)
@pytest.mark.parametrize("to", ["", "/groups/g", "/users/u"])
async def test_an_invalid_filter_is_400(hub: Hub, to: str, text: str) -> None:
    """Every call with a filter checks it, even if there is no connection."""
    answer = await hub.call("POST", f"{to}/:send?filter={escape(text)}", "1")
    assert (answer.status, answer.body["target"]) == (400, "filter")
    assert answer.body["message"].startswith("Invalid syntax for '")
    assert answer.body["message"].endswith("(Parameter 'filter')")


@pytest.mark.specified
@pytest.mark.parametrize(
    ("text", "ann"),
    [
        ("StartsWith(UserId,'A')", True),
        ("STARTSWITH(USERID,'a')", False),
        ("ToLower(userid) eq 'ann'", True),
        ("Length(GROUPS) eq 2 and 'g1' in Groups", True),
        ("ConnectionID ne 'x' and Protocol ne 'x'", True),
    ],
)
async def test_functions_and_identifiers_are_in_any_case(hub: Hub, text: str, ann: bool) -> None:
    """Values keep their case."""
    assert await receives(hub, text, "Ann") is ann


@pytest.mark.specified
async def test_null_hides_a_wrong_type_until_a_user_is_compared(hub: Hub) -> None:
    path = f"/:send?filter={escape('contains(userId, 1)')}"
    assert (await hub.call("POST", path, "1")).status == 202
    async with hub.connect(user="ann"):
        answer = await hub.call("POST", path, "1")
        assert (answer.status, answer.body["target"]) == (400, "filter")


@pytest.mark.specified
async def test_a_filter_may_have_a_hundred_clauses(hub: Hub) -> None:
    text = " or ".join(f"userId eq 'u{number}'" for number in range(100))
    assert await receives(hub, text, "u99")


@pytest.mark.specified
@pytest.mark.parametrize(
    ("to", "text", "selects"),
    [
        ("/users/Ann", "'g1' in groups", True),
        ("/users/Ann", "'g3' in groups", False),
        ("/groups/g1", "userId eq 'Ann'", True),
        ("/groups/g1", "userId eq 'Bob'", False),
    ],
)
async def test_a_filter_selects_among_the_receivers(
    hub: Hub, to: str, text: str, selects: bool
) -> None:
    """A filter may select none of them."""
    async with hub.connect(user="Ann", group=["g1", "g2"]) as client:
        answer = await hub.call("POST", f"{to}/:send?filter={escape(text)}", "1")
        assert answer.status == 202
        await hub.send("marker", to)
        assert ((await client.receive())["data"] == 1) is selects
