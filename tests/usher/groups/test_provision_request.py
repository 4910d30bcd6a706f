import json
from typing import Any

import pytest

from tests.usher.settings import make_settings
from usher.errors import BadRequestError, TooLargeError
from usher.groups.provision_request import ProvisionRequest, read_provision

NEEDED = {"group": "blue", "connectionId": "c-1", "announcement": "ana joined"}


def read(body: Any, minutes: int = 90) -> ProvisionRequest:
    return read_provision(json.dumps(body).encode(), make_settings(token_minutes=minutes))


def refused_field(body: Any) -> str | None:
    with pytest.raises(BadRequestError) as caught:
        read(body)
    return caught.value.field


def test_what_is_needed() -> None:
    """The rest has a default: nobody's token, for an hour or what the settings allow."""
    assert read(NEEDED) == ProvisionRequest("blue", "c-1", "ana joined", None, 60)
    assert read(NEEDED, minutes=30).minutes == 30


def test_everything() -> None:
    """The hub's name has no case; null is as good as absent."""
    body = NEEDED | {"hub": "CHAT", "userId": "Ñandú", "minutesToExpire": 90}
    assert read(body) == ProvisionRequest("blue", "c-1", "ana joined", "Ñandú", 90)
    assert read(body | {"userId": None}).user_id is None


@pytest.mark.parametrize("field", NEEDED)
def test_what_is_missing(field: str) -> None:
    """Each of the three is named; so is one that is null."""
    assert refused_field({name: value for name, value in NEEDED.items() if name != field}) == field
    assert refused_field(NEEDED | {field: None}) == field


BAD: dict[str, list[Any]] = {
    "group": ["", " ", "a/b", "..", "g" * 1025, ["a"], "\ud800"],
    "connectionId": ["", " ", "a/b", ".", "c" * 1025, 7, "\ud800"],
    "announcement": ["", " \n", "\x00\u202e", "t" * 1025, {}, "\ud800"],
    "userId": ["", " ", "a\nb", 1],
    "minutesToExpire": [0, 91, 1.5, True, "x", []],
    "hub": ["other", 1],
    "role": ["webpubsub.sendToGroup"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD.items() for value in values]
)
def test_bad_values(field: str, value: Any) -> None:
    """Each is named by its field, and so is a field that nobody knows."""
    assert refused_field(NEEDED | {field: value}) == field


def test_the_announcement_is_one_printable_line() -> None:
    """What nobody sees is left out; it counts neither for blank nor for too long."""
    assert read(NEEDED | {"announcement": "\x1bana\njoined \u202eñ"}).announcement == "anajoined ñ"
    assert len(read(NEEDED | {"announcement": "\n" * 9 + "t" * 1024}).announcement) == 1024


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 4000])
def test_bodies_that_are_no_object(body: bytes) -> None:
    """Nothing is read from the query."""
    with pytest.raises(BadRequestError):
        read_provision(body, make_settings())


def test_a_body_that_is_too_large() -> None:
    """4 KB, as elsewhere."""
    with pytest.raises(TooLargeError):
        read_provision(b" " * 4097, make_settings())
