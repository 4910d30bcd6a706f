import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.usher.settings import make_settings
from usher.door.callers import Caller, Credentials
from usher.errors import (
    BadRequestError,
    ForbiddenError,
    NoModeError,
    UnauthorizedError,
    UsherError,
)

ID = "x-ms-client-principal-id"
PRINCIPAL = "x-ms-client-principal"
BEARER = {"authorization": "Bearer good"}


def principal(**claims: Any) -> str:
    listed = [{"typ": name, "val": value} for name, value in claims.items()]
    return base64.b64encode(json.dumps({"claims": listed}).encode()).decode()


async def verify(token: str) -> Mapping[str, Any]:
    if token != "good":
        raise UnauthorizedError("no")
    return {"sub": "ana", "email": "ana@example.com", "groups": ["a"], "exp": 1}


async def identify(
    mode: str | None,
    headers: Mapping[str, str] | None = None,
    named: str | None = None,
    **more: Any,
) -> Caller:
    settings = make_settings(mode, **more)
    return await settings.mode.identify(Credentials(headers or {}, named), verify)


async def test_without_a_mode_nobody_gets_in() -> None:
    """The problem says which setting is missing."""
    with pytest.raises(NoModeError, match="USHER_AUTH"):
        await identify(None, BEARER, "ana")


async def test_local_mode_believes_the_request() -> None:
    """Names of any script are fine."""
    assert await identify("local", named="Ana Ñandú 日本") == Caller("Ana Ñandú 日本")


@pytest.mark.parametrize("mode", ["local", "anonymous"])
async def test_guests_are_invented(mode: str) -> None:
    """Two callers without a name are two people."""
    first, second = [(await identify(mode)).user_id for _ in range(2)]
    assert first.startswith("guest-")
    assert first != second


async def test_anonymous_callers_cannot_choose_a_name() -> None:
    """Or they would be somebody else."""
    with pytest.raises(BadRequestError):
        await identify("anonymous", named="ana")


async def test_a_backend_names_the_user() -> None:
    """It holds the function key, which the Functions host checks."""
    assert await identify("key", named="ana") == Caller("ana")
    with pytest.raises(BadRequestError) as caught:
        await identify("key")
    assert caught.value.field == "userId"


@pytest.mark.parametrize("mode", ["local", "key"])
@pytest.mark.parametrize("user_id", ["", "  ", "a\nb", "a\x00b", "\u202ea", "\ud800"])
async def test_names_that_cannot_be_shown(mode: str, user_id: str) -> None:
    """Blank, control and direction characters are refused."""
    with pytest.raises(BadRequestError) as caught:
        await identify(mode, named=user_id)
    assert caught.value.field == "userId"


async def test_the_principal_of_app_service_authentication() -> None:
    """Its id, or the claim that is set."""
    headers = {ID: "ana-id", PRINCIPAL: principal(email="ana@example.com")}
    claims = {"email": frozenset({"ana@example.com"})}
    assert await identify("easyauth", headers, has_platform_auth=True) == Caller("ana-id", claims)
    by_claim = await identify("easyauth", headers, has_platform_auth=True, user_claim="email")
    assert by_claim == Caller("ana@example.com", claims)


async def test_claims_with_several_values() -> None:
    """App Service Authentication repeats the claim, a bearer token has a list."""
    listed = [{"typ": "groups", "val": "a"}, {"typ": "groups", "val": "b"}]
    header = base64.b64encode(json.dumps({"claims": listed}).encode()).decode()
    caller = await identify("easyauth", {ID: "ana", PRINCIPAL: header}, has_platform_auth=True)
    assert caller.claims == {"groups": frozenset({"a", "b"})}
    assert (await identify("oidc", BEARER)).claims["groups"] == frozenset({"a"})


async def test_a_claim_with_several_values_names_nobody() -> None:
    """A user has one id."""
    listed = [{"typ": "email", "val": "a"}, {"typ": "email", "val": "b"}]
    header = base64.b64encode(json.dumps({"claims": listed}).encode()).decode()
    with pytest.raises(UnauthorizedError):
        await identify("easyauth", {PRINCIPAL: header}, has_platform_auth=True, user_claim="email")


async def test_forged_principals_do_not_count() -> None:
    """Where the platform does not say that authentication is on, everybody is refused."""
    headers = {ID: "ana-id", PRINCIPAL: principal(email="ana@example.com")}
    for claim in (None, "email"):
        with pytest.raises(UnauthorizedError):
            await identify("easyauth", headers, user_claim=claim)


@pytest.mark.parametrize(
    ("headers", "claim"),
    [
        ({}, None),
        ({ID: " "}, None),
        ({ID: "ana-id"}, "email"),
        ({PRINCIPAL: "rubbish"}, "email"),
        ({PRINCIPAL: "e30="}, "email"),
        ({PRINCIPAL: "W10="}, "email"),
        ({PRINCIPAL: principal(name="ana")}, "email"),
        ({PRINCIPAL: principal(email=5)}, "email"),
        ({ID: "ana-id", PRINCIPAL: "rubbish"}, None),
    ],
)
async def test_principals_that_name_nobody(headers: dict[str, str], claim: str | None) -> None:
    """Not signed in, or a header that cannot be read."""
    with pytest.raises(UnauthorizedError):
        await identify("easyauth", headers, has_platform_auth=True, user_claim=claim)


async def test_a_bearer_token() -> None:
    """Its subject, or the claim that is set; the scheme has no case."""
    assert (await identify("oidc", BEARER)).user_id == "ana"
    assert (await identify("oidc", {"authorization": "bearer  good "})).user_id == "ana"
    assert (await identify("oidc", BEARER, user_claim="email")).user_id == "ana@example.com"


@pytest.mark.parametrize(
    ("headers", "claim"),
    [
        ({}, None),
        ({"authorization": "good"}, None),
        ({"authorization": "Bearer "}, None),
        ({"authorization": "Basic good"}, None),
        ({"authorization": "Bearer bad"}, None),
        (BEARER, "missing"),
        (BEARER, "groups"),
    ],
)
async def test_bearer_tokens_that_name_nobody(headers: dict[str, str], claim: str | None) -> None:
    """None, another scheme, one that does not hold, and a claim that is no text."""
    with pytest.raises(UnauthorizedError):
        await identify("oidc", headers, user_claim=claim)


@pytest.mark.parametrize(("mode", "headers"), [("easyauth", {ID: "ana"}), ("oidc", BEARER)])
async def test_the_request_may_repeat_the_verified_user_and_name_no_other(
    mode: str, headers: dict[str, str]
) -> None:
    """403, because the caller is known and asks for what it may not have."""
    assert (await identify(mode, headers, "ana", has_platform_auth=True)).user_id == "ana"
    for other in ("bo", "", "ANA"):
        with pytest.raises(ForbiddenError) as caught:
            await identify(mode, headers, other, has_platform_auth=True)
        assert caught.value.field == "userId"


async def test_unknown_callers_all_hear_the_same() -> None:
    """What exactly was wrong would help those who try."""
    details = set[str]()
    for mode, headers, on in (
        ("easyauth", {}, True),
        ("easyauth", {ID: "x"}, False),
        ("oidc", {}, True),
    ):
        with pytest.raises(UsherError) as caught:
            await identify(mode, headers, has_platform_auth=on)
        details.add(caught.value.detail)
    assert len(details) == 1


def test_a_backend_may_ask_for_itself() -> None:
    """With the key, and where it names no user; nobody else may."""
    assert make_settings(mode="key").mode.is_trusted_without_user(None)
    assert not make_settings(mode="key").mode.is_trusted_without_user("ana")
    assert not any(
        make_settings(mode=mode).mode.is_trusted_without_user(None)
        for mode in (None, "easyauth", "oidc", "anonymous", "local")
    )
