import json
from typing import Any

import pytest

from tests.usher.settings import make_settings
from usher.errors import BadRequestError, TooLargeError
from usher.groups.provision_request import ProvisionRequest, read_provision

REQUIRED = {"group": "blue", "connectionId": "c-1", "announcement": "ana joined"}


def read(body: Any, minutes: int = 90) -> ProvisionRequest:
    return read_provision(json.dumps(body).encode(), make_settings(token_minutes=minutes))


def refused_field(body: Any) -> str | None:
    with pytest.raises(BadRequestError) as caught:
        read(body)
    return caught.value.field


def test_the_required_fields() -> None:
    """By default, the token has no user, and lasts an hour or the limit of the settings."""
    assert read(REQUIRED) == ProvisionRequest("blue", "c-1", "ana joined", None, 60)
    assert read(REQUIRED, minutes=30).minutes == 30


def test_every_field() -> None:
    """The case of the hub is ignored; null means not given."""
    body = REQUIRED | {"hub": "CHAT", "userId": "Ñandú", "minutesToExpire": 90}
    assert read(body) == ProvisionRequest("blue", "c-1", "ana joined", "Ñandú", 90)
    assert read(body | {"userId": None}).user_id is None


@pytest.mark.parametrize("field", REQUIRED)
def test_a_required_field_is_missing(field: str) -> None:
    """The error names the field, also if it is null."""
    missing = {name: value for name, value in REQUIRED.items() if name != field}
    assert refused_field(missing) == field
    assert refused_field(REQUIRED | {field: None}) == field


INVALID: dict[str, list[Any]] = {
    "group": ["", " ", "a/b", "..", "g" * 1025, ["a"], "\ud800", "a\u200b"],
    "connectionId": ["", " ", "a/b", ".", "c" * 1025, 7, "\ud800"],
    "announcement": ["", " \n", "\x00\u202e", "t" * 1025, {}, "\ud800"],
    "userId": ["", " ", "a\nb", 1, "ana ", "ana\u3164"],
    "minutesToExpire": [0, 91, 1.5, True, "x", []],
    "hub": ["other", 1],
    "role": ["webpubsub.sendToGroup"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in INVALID.items() for value in values]
)
def test_invalid_values(field: str, value: Any) -> None:
    """The error names the field, also if the field itself is unknown."""
    assert refused_field(REQUIRED | {field: value}) == field


def test_the_announcement_is_one_printable_line() -> None:
    """Characters that are not printable are removed before the length is checked."""
    body = REQUIRED | {"announcement": "\x1bana\njoined \u202eñ"}
    assert read(body).announcement == "anajoined ñ"
    assert len(read(REQUIRED | {"announcement": "\n" * 9 + "t" * 1024}).announcement) == 1024


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 4000])
def test_bodies_that_are_no_object(body: bytes) -> None:
    """The last two are not UTF-8, and nested too deep for the parser."""
    with pytest.raises(BadRequestError):
        read_provision(body, make_settings())


def test_a_body_that_is_too_large() -> None:
    """The limit is 4,096 bytes."""
    with pytest.raises(TooLargeError):
        read_provision(b" " * 4097, make_settings())
