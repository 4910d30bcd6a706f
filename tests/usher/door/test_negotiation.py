import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from tests.usher.settings import KEY, make_settings
from usher.door.callers import Caller
from usher.door.negotiation import NegotiateRequest, check_method, negotiate, read_request
from usher.door.policy import Policy
from usher.door.policy_file import parse_rules
from usher.errors import (
    BadRequestError,
    ForbiddenError,
    MethodError,
    TooLargeError,
    TooLongError,
)
from usher.service.signing import Signer
from usher.store.bans import Bans

SETTINGS = make_settings(token_minutes=30)
URL = "https://app.example/api/negotiate"


def read(query: str = "", body: Any = None) -> NegotiateRequest:
    data = b"" if body is None else json.dumps(body).encode()
    return read_request(f"{URL}?{query}", data, SETTINGS)


def refused_field(query: str = "", body: Any = None) -> str | None:
    with pytest.raises(BadRequestError) as caught:
        read(query, body)
    return caught.value.field


def test_an_empty_request() -> None:
    """Every field is optional."""
    assert read() == NegotiateRequest(user_id=None, groups=(), minutes=30)


def test_every_field_in_the_query() -> None:
    """`group` may be repeated, and may have a comma; the case of the hub is ignored."""
    request = read("userId=ana&group=a,b&group=c%26d&minutesToExpire=5&hub=CHAT&code=key")
    assert request == NegotiateRequest("ana", ("a,b", "c&d"), 5)


@pytest.mark.parametrize("group", ["a,b", ["a,b"]])
def test_every_field_in_the_body(group: Any) -> None:
    """`group` is a text or a list of texts."""
    body = {"userId": "ana", "group": group, "minutesToExpire": 5, "hub": "chat"}
    assert read(body=body) == NegotiateRequest("ana", ("a,b",), 5)


def test_groups_of_query_and_body_are_combined() -> None:
    assert read("group=a&userId=ana", {"group": ["b", "c"]}).groups == ("a", "b", "c")


@pytest.mark.parametrize("name", ["userId", "minutesToExpire", "hub"])
def test_a_field_that_is_given_twice(name: str) -> None:
    """It is refused, in the query alone and in query and body."""
    value = {"userId": "ana", "minutesToExpire": "5", "hub": "chat"}[name]
    assert refused_field(f"{name}={value}&{name}={value}") == name
    assert refused_field(f"{name}={value}", {name: value}) == name


@pytest.mark.parametrize(
    "minutes", ["0", "31", "-1", "1.5", "", "x", "+5", " 5", "\u0665", "9" * 4000]
)
def test_invalid_lifetimes_in_the_query(minutes: str) -> None:
    """Valid is a whole number from 1 to the configured limit, in ASCII digits."""
    assert refused_field(f"minutesToExpire={minutes.replace('+', '%2B')}") == "minutesToExpire"


def test_a_lifetime_with_a_zero_fraction() -> None:
    """JSON has one kind of number (RFC 8259, section 6), so 5.0 is the same as 5."""
    assert read(body={"minutesToExpire": 5.0}).minutes == 5


@pytest.mark.parametrize("minutes", [0, 31, -1, 1.5, 1e300, True, [], {}])
def test_invalid_lifetimes_in_the_body(minutes: Any) -> None:
    assert refused_field(body={"minutesToExpire": minutes}) == "minutesToExpire"


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b"[" * 4096])
def test_bodies_that_are_no_json_object(body: bytes) -> None:
    """The last two are not UTF-8, and nested too deep for the parser."""
    with pytest.raises(BadRequestError) as caught:
        read_request(URL, body, SETTINGS)
    assert caught.value.field == "body"


def test_bodies_that_are_too_large() -> None:
    """The limit is 4,096 bytes."""
    body = json.dumps({"userId": "ana"}).encode()
    assert read_request(URL, body.ljust(4096), SETTINGS).user_id == "ana"
    with pytest.raises(TooLargeError):
        read_request(URL, body.ljust(4097), SETTINGS)


def test_urls_that_are_too_long() -> None:
    """The limit is 4,096 characters."""
    url = f"{URL}?group=".ljust(4097, "g")
    assert len(read_request(url[:4096], b"", SETTINGS).groups) == 1
    with pytest.raises(TooLongError):
        read_request(url, b"", SETTINGS)


def test_only_local_mode_issues_tokens_by_get() -> None:
    """A foreign page can make a browser send a GET."""
    check_method("GET", SETTINGS.mode)
    check_method("GET", make_settings(mode=None).mode)  # its answer names the missing setting
    for mode in ("easyauth", "oidc", "key", "anonymous"):
        check_method("POST", make_settings(mode=mode).mode)
        for method in ("GET", "HEAD"):
            with pytest.raises(MethodError):
                check_method(method, make_settings(mode=mode).mode)


def test_unknown_fields_of_the_body() -> None:
    """A typing error such as `groups` is refused: ignoring it would grant the default group."""
    assert refused_field(body={"groups": ["a"]}) == "groups"


@pytest.mark.parametrize("value", [1, {}, None, "\ud800"])
def test_groups_that_are_not_text(value: Any) -> None:
    """Half a surrogate pair is valid JSON, but a token cannot contain it."""
    assert refused_field(body={"group": [value]}) == "group"


def test_null_in_the_body_means_not_given() -> None:
    assert read(body={"userId": None, "group": None, "minutesToExpire": None}) == read()


def test_another_hub() -> None:
    """The app serves one hub."""
    assert refused_field("hub=other") == "hub"


RULES = parse_rules(
    {
        "rules": [
            {"caller": "any", "group": "lobby", "allow": ["join"]},
            {"caller": {"user": "ana"}, "group": "blue", "allow": ["join", "send"]},
        ]
    },
    "policy.json",
)
POLICY = Policy(SETTINGS, RULES)
NO_BANS = Bans(None, SETTINGS)


async def test_the_token_that_is_issued(caplog: pytest.LogCaptureFixture) -> None:
    """It is for the caller, and has the groups and roles that the policy grants."""
    request = NegotiateRequest(None, ("blue", "lobby", "blue"), 5)
    with caplog.at_level("INFO", "usher"):
        answer = dict(await negotiate(request, Caller("ana"), POLICY, NO_BANS, Signer(SETTINGS)))
    claims = jwt.decode(answer["token"], KEY, ["HS256"], options={"verify_aud": False})
    groups, roles = ["blue", "lobby"], ["webpubsub.sendToGroup.blue"]
    assert (claims["sub"], claims["webpubsub.group"], claims["role"]) == ("ana", groups, roles)
    token, ends = answer.pop("token"), datetime.fromtimestamp(claims["exp"], UTC)
    url = "wss://demo.webpubsub.azure.com/client/hubs/chat"
    assert answer == {
        "url": f"{url}?access_token={token}",
        "baseUrl": url,
        "hub": "chat",
        "userId": "ana",
        "groups": groups,
        "roles": roles,
        "expiresAt": ends.isoformat(),
    }
    assert claims["exp"] - claims["iat"] == 5 * 60
    (record,) = [json.loads(record.getMessage()) for record in caplog.records]
    assert record == {"record": "negotiate", "userId": "ana", "groups": groups, "minutes": 5}


async def test_a_forbidden_group_issues_no_token() -> None:
    request = NegotiateRequest(None, ("blue",), 5)
    with pytest.raises(ForbiddenError):
        await negotiate(request, Caller("bo"), POLICY, NO_BANS, Signer(SETTINGS))


async def test_a_token_with_too_many_groups() -> None:
    """Repeated groups count once."""
    rules = parse_rules(
        {"rules": [{"caller": "any", "group": "*", "allow": ["join"]}]}, "policy.json"
    )
    policy = Policy(make_settings(most_groups=3), rules)
    most = NegotiateRequest(None, ("a", "b", "c", "a"), 5)
    answer = await negotiate(most, Caller("ana"), policy, NO_BANS, Signer(SETTINGS))
    assert answer["groups"] == ["a", "b", "c"]
    with pytest.raises(TooLargeError) as caught:
        await negotiate(
            NegotiateRequest(None, (*"abcd",), 5), Caller("ana"), policy, NO_BANS, Signer(SETTINGS)
        )
    assert caught.value.field == "group"


async def test_a_token_that_is_too_long() -> None:
    request = NegotiateRequest(None, (), 5)
    with pytest.raises(TooLargeError):
        await negotiate(request, Caller("u" * 4096), POLICY, NO_BANS, Signer(SETTINGS))
