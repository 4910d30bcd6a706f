"""events.py: CloudEvents requests as the values that a parameter receives."""

import json
from typing import Any

import pytest

from localdev.host.event_context import read_context
from localdev.host.events import BodyError, DataTypeError, argument_value, event_values
from tests.localdev.host.test_event_context import headers_with

CONNECT_BODY: dict[str, Any] = {
    "claims": {"sub": ["ana"]},
    "query": {"room": ["blü"]},
    "headers": {},
    "subprotocols": None,
    "clientCertificates": [{"thumbprint": "AB12"}],
}
CONNECT_TEXT = """{
  "claims": {
    "sub": [
      "ana"
    ]
  },
  "query": {
    "room": [
      "blü"
    ]
  },
  "headers": {},
  "subprotocols": null,
  "clientCertificates": [
    {
      "Thumbprint": "AB12",
      "content": null
    }
  ],
  "connectionContext": {
    "eventType": "System",
    "eventName": "connect",
    "hub": "chat",
    "connectionId": "c-1",
    "userId": null,
    "signature": null,
    "origin": "localhost",
    "states": {},
    "headers": {
      "WebHook-Request-Origin": [
        "localhost"
      ],
      "ce-type": [
        "azure.webpubsub.sys.connect"
      ],
      "ce-eventName": [
        "connect"
      ],
      "ce-hub": [
        "chat"
      ],
      "ce-connectionId": [
        "c-1"
      ]
    }
  }
}"""


def values_of(body: bytes, **changes: str | None) -> dict[str, Any]:
    """Return the values of parameters for an event."""
    return event_values(read_context(headers_with(**changes)), body)


def user_values(body: bytes, media_type: str | None) -> dict[str, Any]:
    """Return the values of parameters for a user event."""
    changes = {"ce_type": "azure.webpubsub.user.message", "ce_eventName": "message"}
    return values_of(body, **changes, Content_Type=media_type)


def test_connect_text() -> None:
    """A connect event reaches Python as exactly this text."""
    values = values_of(json.dumps(CONNECT_BODY).encode())
    assert argument_value(values, "request", binary=False) == CONNECT_TEXT


@pytest.mark.parametrize("key", list(CONNECT_BODY))
def test_connect_needs_all_keys(key: str) -> None:
    """A connect body without one of its five keys makes the extension fail."""
    body = {name: value for name, value in CONNECT_BODY.items() if name != key}
    with pytest.raises(BodyError, match=key):
        values_of(json.dumps(body).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"claims": []},
        {"query": {"a": "b"}},
        {"headers": {"a": [1]}},
        {"headers": {"a": None}},
        {"subprotocols": "json"},
        {"subprotocols": [1]},
        {"clientCertificates": ["AB12"]},
    ],
)
def test_connect_checks_types(changes: dict[str, Any]) -> None:
    """A connect body whose members are of another type makes the extension fail."""
    with pytest.raises(BodyError):
        values_of(json.dumps(CONNECT_BODY | changes).encode())


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b"{}", b'{"reason": 1}'])
def test_bad_disconnected_body(body: bytes) -> None:
    """A disconnected body without a reason makes the extension fail."""
    with pytest.raises(BodyError):
        values_of(body, ce_eventName="disconnected")


def test_disconnected_without_reason() -> None:
    """A reason of null is valid: the request has it, a parameter of that name gets None."""
    values = values_of(b'{"reason": null}', ce_eventName="disconnected")
    assert values["request"]["reason"] is None
    assert argument_value(values, "reason", binary=False) is None


def test_connected_ignores_the_body() -> None:
    """The body of a connected event is ignored."""
    values = values_of(b"no JSON", ce_eventName="connected")
    assert list(values["request"]) == ["connectionContext"]


def test_other_system_events_have_no_request() -> None:
    """A system event that the extension does not know binds None to `request`."""
    assert argument_value(values_of(b"", ce_eventName="x"), "request", binary=False) is None


@pytest.mark.parametrize(
    ("body", "media_type", "data", "data_type"),
    [
        (b"hi", "text/plain; charset=utf-8", "hi", "Text"),
        (b'{"x":1}', "Application/JSON", '{"x":1}', "Json"),
        (b"hi", "text / plain", "hi", "Text"),
        (b"hi", 'text/plain ; a ; b = c;d="e;\\""', "hi", "Text"),
        (b"\x00\xffA", "application/octet-stream", "\x00\ufffdA", "Binary"),
    ],
)
def test_user_event(body: bytes, media_type: str, data: str, data_type: str) -> None:
    """The data of a user event is always text in the request, bytes that are not UTF-8 are lost."""
    request = user_values(body, media_type)["request"]
    assert list(request) == ["data", "dataType", "connectionContext"]
    assert (request["data"], request["dataType"]) == (data, data_type)


def test_unsupported_media_type() -> None:
    """Another media type is rejected with the extension's own text."""
    text = "Message data only supports text, binary, json. Current value is: Text/HTML"
    with pytest.raises(DataTypeError, match=text):
        user_values(b"", "Text / HTML; charset=utf-8")


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "nonsense",
        "text/",
        "/plain",
        "te(t/plain",
        "text/plain;",
        "text/plain x",
        "text/plain;=b",
        "text/plain;a=",
        'text/plain;a="b',
        "text/plain,text/plain",
        "text/plain\u00a0",
    ],
)
def test_unreadable_media_type(media_type: str | None) -> None:
    """If .NET cannot parse the media type, the extension fails."""
    with pytest.raises(BodyError):
        user_values(b"", media_type)


@pytest.mark.parametrize(
    ("name", "binary", "expected"),
    [
        ("data", False, "\ufffd"),
        ("DATA", True, b"\xff"),
        ("dataType", False, "Binary"),
        ("datatype", True, b"Binary"),
        ("claims", False, None),
        ("payload", False, None),
    ],
)
def test_argument_names(name: str, binary: bool, expected: str | bytes | None) -> None:
    """A parameter is bound by its name, in any case; another name gets None."""
    values = user_values(b"\xff", "application/octet-stream")
    assert argument_value(values, name, binary=binary) == expected


def test_connect_takes_nulls() -> None:
    """Members of a connect body may be null, and are null in the request."""
    values = values_of(json.dumps(dict.fromkeys(CONNECT_BODY)).encode())
    assert {values["request"][key] for key in CONNECT_BODY} == {None}


def test_connect_takes_nulls_in_arrays() -> None:
    """An array of a connect body may have nulls."""
    body = {"claims": {"a": [None]}, "query": {"b": [None, "c"]}, "subprotocols": [None]}
    request = values_of(json.dumps(CONNECT_BODY | body).encode())["request"]
    assert {key: request[key] for key in body} == body


def test_connect_arguments() -> None:
    """The members of a connect event can be bound one by one, as indented JSON."""
    values = values_of(json.dumps(CONNECT_BODY).encode())
    expected = '{\n  "sub": [\n    "ana"\n  ]\n}'
    assert argument_value(values, "Claims", binary=False) == expected
    assert argument_value(values, "subprotocols", binary=False) is None
    context = argument_value(values, "connectionContext", binary=True)
    assert isinstance(context, bytes)
    assert json.loads(context)["eventName"] == "connect"
