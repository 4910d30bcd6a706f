import json
from typing import Any

import pytest

from tests.usher.settings import make_settings
from usher.door.negotiation import NegotiateRequest, check_method, read_request
from usher.errors import BadRequestError, MethodError, TooLargeError, TooLongError

SETTINGS = make_settings(token_minutes=30)
URL = "https://app.example/api/negotiate"


def read(query: str = "", body: Any = None) -> NegotiateRequest:
    data = b"" if body is None else json.dumps(body).encode()
    return read_request(f"{URL}?{query}", data, SETTINGS)


def refused_field(query: str = "", body: Any = None) -> str | None:
    with pytest.raises(BadRequestError) as caught:
        read(query, body)
    return caught.value.field


def test_nothing_asked() -> None:
    """Everything has a default; the user id is settled elsewhere."""
    assert read() == NegotiateRequest(user_id=None, groups=(), minutes=30)


def test_everything_in_the_query() -> None:
    """`group` may be repeated, and its name may have a comma; the hub's name has no case."""
    wish = read("userId=ana&group=a,b&group=c%26d&minutesToExpire=5&hub=CHAT&code=key")
    assert wish == NegotiateRequest("ana", ("a,b", "c&d"), 5)


@pytest.mark.parametrize("group", ["a,b", ["a,b"]])
def test_everything_in_the_body(group: Any) -> None:
    """One group may be a text, several are a list."""
    body = {"userId": "ana", "group": group, "minutesToExpire": 5, "hub": "chat"}
    assert read(body=body) == NegotiateRequest("ana", ("a,b",), 5)


def test_query_and_body_add_up() -> None:
    """Groups of both are wanted."""
    assert read("group=a&userId=ana", {"group": ["b", "c"]}).groups == ("a", "b", "c")


@pytest.mark.parametrize("name", ["userId", "minutesToExpire", "hub"])
def test_a_single_value_given_twice(name: str) -> None:
    """Two answers to one question are refused, wherever they stand."""
    value = {"userId": "ana", "minutesToExpire": "5", "hub": "chat"}[name]
    assert refused_field(f"{name}={value}&{name}={value}") == name
    assert refused_field(f"{name}={value}", {name: value}) == name


@pytest.mark.parametrize(
    "minutes", ["0", "31", "-1", "1.5", "", "x", "+5", " 5", "\u0665", "9" * 4000]
)
def test_bad_lifetimes_in_the_query(minutes: str) -> None:
    """A whole number from 1 to the configured longest, in plain digits."""
    assert refused_field(f"minutesToExpire={minutes.replace('+', '%2B')}") == "minutesToExpire"


def test_json_has_one_kind_of_number() -> None:
    """5.0 is as whole as 5 (RFC 8259, section 6)."""
    assert read(body={"minutesToExpire": 5.0}).minutes == 5


@pytest.mark.parametrize("minutes", [0, 31, -1, 1.5, 1e300, True, [], {}])
def test_bad_lifetimes_in_the_body(minutes: Any) -> None:
    """JSON's other kinds of number are no lifetimes."""
    assert refused_field(body={"minutesToExpire": minutes}) == "minutesToExpire"


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b"[" * 4096])
def test_bodies_that_are_no_json_object(body: bytes) -> None:
    """Also not UTF-8, and nested so deep that the parser gives up."""
    with pytest.raises(BadRequestError) as caught:
        read_request(URL, body, SETTINGS)
    assert caught.value.field == "body"


def test_bodies_that_are_too_large() -> None:
    """4 KB are more than a token can say."""
    body = json.dumps({"userId": "ana"}).encode()
    assert read_request(URL, body.ljust(4096), SETTINGS).user_id == "ana"
    with pytest.raises(TooLargeError):
        read_request(URL, body.ljust(4097), SETTINGS)


def test_urls_that_are_too_long() -> None:
    """Nothing of them is read."""
    url = f"{URL}?group=".ljust(4097, "g")
    assert len(read_request(url[:4096], b"", SETTINGS).groups) == 1
    with pytest.raises(TooLongError):
        read_request(url, b"", SETTINGS)


def test_tokens_are_minted_by_post() -> None:
    """A page elsewhere can make a browser send a GET; in development nothing is at stake."""
    check_method("GET", SETTINGS.mode)
    check_method("GET", make_settings(mode=None).mode)  # which has something else to say
    for mode in ("easyauth", "oidc", "key", "anonymous"):
        check_method("POST", make_settings(mode=mode).mode)
        with pytest.raises(MethodError):
            check_method("GET", make_settings(mode=mode).mode)


def test_unknown_fields_of_the_body() -> None:
    """`groups` for `group` must not end in the lobby without a word."""
    assert refused_field(body={"groups": ["a"]}) == "groups"


@pytest.mark.parametrize("value", [1, {}, None, "\ud800"])
def test_groups_that_are_not_text(value: Any) -> None:
    """Half a surrogate pair is valid JSON, but no text that a token could carry."""
    assert refused_field(body={"group": [value]}) == "group"


def test_null_in_the_body_means_not_given() -> None:
    """As most JSON writers mean it."""
    assert read(body={"userId": None, "group": None, "minutesToExpire": None}) == read()


def test_another_hub() -> None:
    """The app serves its own hub only."""
    assert refused_field("hub=other") == "hub"
