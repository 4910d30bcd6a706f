import base64
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from inspect import get_annotations
from typing import Any

import pytest

from tests.usher.settings import make_settings
from usher.door.callers import Caller, Credentials
from usher.door.modes import MODES, Mode
from usher.errors import (
    BadRequestError,
    ForbiddenError,
    NoModeError,
    UnauthorizedError,
    UsherError,
)

ID = "x-ms-client-principal-id"
IDP = "x-ms-client-principal-idp"
PRINCIPAL = "x-ms-client-principal"
BEARER = {"authorization": "Bearer good"}


def encode_principal(*claims: tuple[str, Any]) -> str:
    """Return the header of App Service Authentication with these names and values."""
    listed = [{"typ": name, "val": value} for name, value in claims]
    return base64.b64encode(json.dumps({"claims": listed}).encode()).decode()


async def verify(token: str) -> Mapping[str, Any]:
    assert token, "a request without a token must be refused before"
    if token != "good":
        raise UnauthorizedError("no")
    return {"sub": "ana", "email": "ana@example.com", "groups": ["a"], "exp": 1}


async def identify(
    mode: str | None,
    headers: Mapping[str, str] | None = None,
    user_id: str | None = None,
    **changes: Any,
) -> Caller:
    """Return the caller of a request with these headers that asks for this user id."""
    settings = make_settings(mode, **changes)
    return await settings.mode.identify(Credentials(headers or {}, user_id), verify)


async def identify_aad(headers: Mapping[str, str], **changes: Any) -> Caller:
    """Return the caller whom the only provider of App Service Authentication has signed in."""
    signed_in: dict[str, Any] = {"has_platform_auth": True, "provider": "aad"} | changes
    return await identify("easyauth", {IDP: "aad", **headers}, **signed_in)


async def test_without_a_mode_no_caller_is_identified() -> None:
    """The error names the missing setting."""
    with pytest.raises(NoModeError, match="USHER_AUTH"):
        await identify(None, BEARER, "ana")


async def test_local_mode_accepts_the_user_id_of_the_request() -> None:
    """In any script."""
    assert await identify("local", user_id="Ana Ñandú 日本") == Caller("Ana Ñandú 日本")


@pytest.mark.parametrize("mode", ["local", "anonymous"])
async def test_without_a_user_id_each_request_gets_a_new_guest(mode: str) -> None:
    first, second = [(await identify(mode)).user_id for _ in range(2)]
    assert re.fullmatch("guest-[0-9a-f]{32}", first)
    assert first != second


async def test_anonymous_callers_cannot_choose_a_user_id() -> None:
    """Otherwise they could impersonate another user."""
    with pytest.raises(BadRequestError) as caught:
        await identify("anonymous", user_id="ana")
    assert caught.value.field == "userId"


async def test_a_backend_must_name_the_user() -> None:
    """It has the function key, which the Functions host checks before the app is called."""
    assert await identify("key", user_id="ana") == Caller("ana")
    with pytest.raises(BadRequestError) as caught:
        await identify("key")
    assert caught.value.field == "userId"


@pytest.mark.parametrize("mode", ["local", "key"])
@pytest.mark.parametrize(
    "user_id", ["", "  ", "a\nb", "a\x00b", "\u202ea", "\ud800", "ana ", "\u3164", "an\u0303"]
)
async def test_user_ids_that_are_not_printable(mode: str, user_id: str) -> None:
    """Blank ids, control characters and direction marks are refused."""
    with pytest.raises(BadRequestError) as caught:
        await identify(mode, user_id=user_id)
    assert caught.value.field == "userId"


async def test_the_principal_of_app_service_authentication() -> None:
    """The user id is the principal's id, or the configured claim."""
    headers = {ID: "ana-id", PRINCIPAL: encode_principal(("email", "ana@example.com"))}
    claims = {"email": frozenset({"ana@example.com"})}
    assert await identify_aad(headers) == Caller("ana-id", claims)
    by_claim = await identify_aad(headers, user_claim="email")
    assert by_claim == Caller("ana@example.com", claims)


async def test_users_of_several_providers_have_different_ids() -> None:
    """The same id of two providers is two users. A request may repeat the whole id."""
    for provider in ("aad", "google"):
        headers = {ID: "12345", IDP: provider, PRINCIPAL: encode_principal(("email", "a@b"))}
        user_id = f"{provider}:12345"
        assert (await identify("easyauth", headers, has_platform_auth=True)).user_id == user_id
        again = await identify("easyauth", headers, user_id, has_platform_auth=True)
        assert again.user_id == user_id
        with pytest.raises(ForbiddenError):
            await identify("easyauth", headers, "12345", has_platform_auth=True)
        by_claim = await identify("easyauth", headers, has_platform_auth=True, user_claim="email")
        assert by_claim.user_id == f"{provider}:a@b"


@pytest.mark.parametrize("provider", ["google", "", None, "AAD", "aad:x", "aad ", "a\nb"])
async def test_callers_of_another_provider_are_refused_where_one_is_configured(
    provider: str | None,
) -> None:
    """Callers of no provider, or of one whose name hides where the id begins, are always."""
    headers = {ID: "12345"} | ({} if provider is None else {IDP: provider})
    with pytest.raises(UnauthorizedError):
        await identify("easyauth", headers, has_platform_auth=True, provider="aad")
    if provider not in ("google", "AAD"):
        with pytest.raises(UnauthorizedError):
            await identify("easyauth", headers, has_platform_auth=True)


async def test_claims_with_several_values() -> None:
    """App Service Authentication repeats the claim; a bearer token has a list."""
    header = encode_principal(("groups", "a"), ("groups", "b"))
    caller = await identify_aad({ID: "ana", PRINCIPAL: header})
    assert caller.claims == {"groups": frozenset({"a", "b"})}
    assert (await identify("oidc", BEARER)).claims["groups"] == frozenset({"a"})


async def test_values_of_claims_that_are_no_text_are_left_out() -> None:
    assert (await identify("oidc", BEARER)).claims["exp"] == frozenset()


async def test_a_claim_with_several_values_is_no_user_id() -> None:
    """A user has one id."""
    header = encode_principal(("email", "a"), ("email", "b"))
    with pytest.raises(UnauthorizedError):
        await identify_aad({PRINCIPAL: header}, user_claim="email")


async def test_forged_principals_are_refused() -> None:
    """Without App Service Authentication, any client can send these headers."""
    headers = {ID: "ana-id", PRINCIPAL: encode_principal(("email", "ana@example.com"))}
    for claim in (None, "email"):
        with pytest.raises(UnauthorizedError):
            await identify_aad(headers, user_claim=claim, has_platform_auth=False)


@pytest.mark.parametrize(
    ("headers", "claim"),
    [
        ({}, None),
        ({ID: " "}, None),
        ({ID: "ana-id"}, "email"),
        ({PRINCIPAL: "rubbish"}, "email"),
        ({PRINCIPAL: "e30="}, "email"),
        ({PRINCIPAL: "W10="}, "email"),
        ({PRINCIPAL: encode_principal(("name", "ana"))}, "email"),
        ({PRINCIPAL: encode_principal(("email", 5))}, "email"),
        ({ID: "ana-id", PRINCIPAL: "rubbish"}, None),
    ],
)
async def test_principals_without_a_user_id(headers: dict[str, str], claim: str | None) -> None:
    """The caller is not signed in, or a header is malformed."""
    with pytest.raises(UnauthorizedError):
        await identify_aad(headers, user_claim=claim)


async def test_a_bearer_token() -> None:
    """The user id is its subject, or the configured claim; the case of the scheme is ignored."""
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
async def test_bearer_tokens_without_a_user_id(headers: dict[str, str], claim: str | None) -> None:
    """No token, another scheme, an invalid token, or a claim that is missing or no text."""
    with pytest.raises(UnauthorizedError):
        await identify("oidc", headers, user_claim=claim)


@pytest.mark.parametrize(
    ("mode", "headers"), [("easyauth", {ID: "ana", IDP: "aad"}), ("oidc", BEARER)]
)
async def test_an_authenticated_caller_can_ask_only_for_its_own_user_id(
    mode: str, headers: dict[str, str]
) -> None:
    """Another user id is forbidden, and not unauthorized: the caller is known."""
    signed_in: dict[str, Any] = {"has_platform_auth": True, "provider": "aad"}
    assert (await identify(mode, headers, "ana", **signed_in)).user_id == "ana"
    for other in ("bo", "", "ANA"):
        with pytest.raises(ForbiddenError) as caught:
            await identify(mode, headers, other, **signed_in)
        assert caught.value.field == "userId"


async def test_all_unknown_callers_get_the_same_detail() -> None:
    """The exact reason would help an attacker."""
    details = set[str]()
    for mode, headers, has_platform_auth in (
        ("easyauth", {}, True),
        ("easyauth", {ID: "x"}, False),
        ("easyauth", {ID: "x"}, True),
        ("oidc", {}, True),
    ):
        with pytest.raises(UsherError) as caught:
            await identify(mode, headers, has_platform_auth=has_platform_auth)
        details.add(caught.value.detail)
    assert len(details) == 1


def test_only_a_backend_needs_no_caller() -> None:
    """Its request has the function key, and asks for no user."""
    assert make_settings(mode="key").mode.needs_no_caller(None)
    assert not make_settings(mode="key").mode.needs_no_caller("ana")
    assert not any(
        make_settings(mode=mode).mode.needs_no_caller(None)
        for mode in (None, "easyauth", "oidc", "anonymous", "local")
    )


DEFAULTS = {
    "key_level": "ANONYMOUS",
    "required_settings": (),
    "may_run_in_azure": True,
    "allows_get": False,
    "allows_any_origin": False,
    "has_caller_limit": True,
    "has_address_limit": True,
}
FACTS: dict[str | None, dict[str, object]] = {
    None: DEFAULTS | {"name": "", "allows_get": True},
    "easyauth": DEFAULTS | {"name": "easyauth"},
    "oidc": DEFAULTS
    | {"name": "oidc", "required_settings": ("USHER_OIDC_ISSUER", "USHER_OIDC_AUDIENCE")},
    "key": DEFAULTS | {"name": "key", "key_level": "FUNCTION", "has_address_limit": False},
    "anonymous": DEFAULTS | {"name": "anonymous"},
    "local": DEFAULTS
    | {
        "name": "local",
        "may_run_in_azure": False,
        "allows_get": True,
        "allows_any_origin": True,
        "has_caller_limit": False,
        "has_address_limit": False,
    },
}


@pytest.mark.parametrize("name", FACTS)
def test_the_facts_of_each_mode(name: str | None) -> None:
    """All of them: a new fact of the modes needs a value here. People read `about`."""
    mode = make_settings(name).mode
    facts = get_annotations(Mode).keys() - {field.name for field in fields(Mode)} - {"about"}
    assert {fact: getattr(mode, fact) for fact in facts} == FACTS[name]


def test_the_values_of_usher_auth() -> None:
    """The mode without a value is not in the table."""
    assert list(MODES) == [name for name in FACTS if name]
