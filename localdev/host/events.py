"""Converts CloudEvents requests of Web PubSub to the values that trigger parameters receive.

The checks of the webhook are in webhook.py, the responses in answers.py.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from localdev.host.bindings import Headers, group_headers, join_headers
from localdev.host.states import decode_states

DATA_TYPES = {
    "text/plain": "Text",
    "application/json": "Json",
    "application/octet-stream": "Binary",
}
# HttpContentHeaders of .NET: .NET keeps these with the content, where the extension does not look.
CONTENT_HEADERS = ("content-", "allow", "expires", "last-modified")


class EventKind(StrEnum):
    """The kinds of events; the service waits for the responses to the first two."""

    CONNECT = "connect"
    USER = "user"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    OTHER = "other"

    @property
    def is_blocking(self) -> bool:
        """Whether the service waits for what the function returns."""
        return self in (EventKind.CONNECT, EventKind.USER)


@dataclass(frozen=True, slots=True)
class EventContext:
    """The CloudEvents attributes of one event request, from its headers."""

    event_type: str
    event_name: str
    hub: str
    connection_id: str
    user_id: str | None
    signature: str | None = field(repr=False)
    origin: str
    states: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, Sequence[str]] = field(repr=False)

    @property
    def kind(self) -> EventKind:
        """The kind of the event; the names of system events are case-insensitive."""
        if self.event_type == "User":
            return EventKind.USER
        name = self.event_name.lower()
        return EventKind(name) if name in _SYSTEM_KINDS else EventKind.OTHER


_SYSTEM_KINDS = (EventKind.CONNECT, EventKind.CONNECTED, EventKind.DISCONNECTED)


class ContextError(ValueError):
    """A required header is missing, repeated or cannot be decoded."""


class BodyError(ValueError):
    """The extension itself fails on this body or on its missing media type."""


class DataTypeError(ValueError):
    """The media type of a user event is unknown; the text is the body of the response."""


def read_context(headers: Headers) -> EventContext:
    """Return an event's attributes; raises ContextError when the real extension responds 400.

    Source: Microsoft.Azure.WebJobs.Extensions.WebPubSub WebPubSubTriggerDispatcher.cs
    (TryParseCloudEvents).
    """
    # Differs from Azure: .NET splits the values of some headers, such as Accept, into items.
    visible = [pair for pair in headers if not pair[0].lower().startswith(CONTENT_HEADERS)]
    values = {name.lower(): found for name, found in group_headers(visible).items()}
    states = _single(values, "ce-connectionstate", required=False)
    # Only the prefix of ce-type counts; the name of the event is in ce-eventName.
    is_system = _required(values, "ce-type").lower().startswith("azure.webpubsub.sys.")
    if "webhook-request-origin" not in values:
        raise ContextError("no webhook-request-origin")
    return EventContext(
        event_type="System" if is_system else "User",
        event_name=_required(values, "ce-eventname"),
        hub=_required(values, "ce-hub"),
        connection_id=_required(values, "ce-connectionid"),
        user_id=_single(values, "ce-userid", required=False),
        signature=",".join(values["ce-signature"]) if "ce-signature" in values else None,
        origin=",".join(values["webhook-request-origin"]),
        states={} if states is None else _decoded(states),
        headers=group_headers(visible),
    )


def event_values(context: EventContext, headers: Headers, body: bytes) -> dict[str, Any]:
    """Return the value of a trigger parameter by its name in lower case.

    Raises BodyError (response 500) and DataTypeError (response 400). Source:
    Microsoft.Azure.WebJobs.Extensions.WebPubSub WebPubSubTriggerBinding.cs.
    """
    details = _event_details(context.kind, headers, body)
    data = details.pop("data", None)
    shown = {} if data is None else {"data": data.decode("utf-8", "replace")}
    values = {"datatype": "Text", **{name.lower(): value for name, value in details.items()}}
    values["connectioncontext"] = context_value(context)
    values["data"] = data
    if context.kind is not EventKind.OTHER:
        values["request"] = {**shown, **details, "connectionContext": values["connectioncontext"]}
    return values


def argument_value(values: Mapping[str, Any], name: str, *, binary: bool) -> str | bytes | None:
    """Return what the parameter called ``name`` receives: text, or bytes if it is ``binary``.

    A name that the extension does not know gets None; names are case-insensitive.
    """
    value = values.get(name.lower())
    if value is None:
        return None
    if isinstance(value, bytes):
        return value if binary else value.decode("utf-8", "replace")
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return text.encode() if binary else text


def context_value(context: EventContext) -> dict[str, Any]:
    """Return the JSON object of the context, which is a part of every request."""
    return {
        "eventType": context.event_type,
        "eventName": context.event_name,
        "hub": context.hub,
        "connectionId": context.connection_id,
        "userId": context.user_id,
        "signature": context.signature,
        "origin": context.origin,
        "states": context.states,
        "headers": context.headers,
    }


def _single(values: Mapping[str, list[str]], name: str, *, required: bool) -> str | None:
    found = values.get(name, [])
    if len(found) > 1 or (required and not found):
        raise ContextError(f"{name} must be there once")
    return found[0] if found else None


def _required(values: Mapping[str, list[str]], name: str) -> str:
    return _single(values, name, required=True) or ""


def _decoded(states: str) -> dict[str, Any]:
    try:
        return decode_states(states)
    except ValueError:
        raise ContextError("ce-connectionstate cannot be decoded") from None


def _event_details(kind: EventKind, headers: Headers, body: bytes) -> dict[str, Any]:
    match kind:
        case EventKind.CONNECT:
            return _connect_details(_parse_object(body))
        case EventKind.DISCONNECTED:
            return {"reason": _text_at(_parse_object(body), "reason")}
        case EventKind.USER:
            return {"data": body, "dataType": _data_type(headers)}
        case _:
            return {}


def _connect_details(body: Mapping[str, Any]) -> dict[str, Any]:
    certificates = _list_at(body, "clientCertificates", dict)
    return {
        "claims": _lists_at(body, "claims"),
        "query": _lists_at(body, "query"),
        "headers": _lists_at(body, "headers"),
        "subprotocols": _list_at(body, "subprotocols", str),
        "clientCertificates": certificates and [_certificate(item) for item in certificates],
    }


def _certificate(item: Mapping[str, Any]) -> dict[str, Any]:
    # The extension writes a capital T, because its class has no naming rule.
    return {"Thumbprint": item.get("thumbprint"), "content": item.get("content")}


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode("utf-8", "replace"))
    except ValueError:
        raise BodyError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise BodyError("the body is not a JSON object")
    return value


def _member(body: Mapping[str, Any], key: str) -> Any:
    if key not in body:
        raise BodyError(f"the body has no {key}")
    return body[key]


def _text_at(body: Mapping[str, Any], key: str) -> str | None:
    value = _member(body, key)
    if value is not None and not isinstance(value, str):
        raise BodyError(f"{key} is not text")
    return value


def _list_at(body: Mapping[str, Any], key: str, item_type: type) -> list[Any] | None:
    value: list[Any] | None = _member(body, key)
    if value is None or _is_list_of(value, item_type):
        return value
    raise BodyError(f"{key} is not an array of the expected items")


def _lists_at(body: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    value = _member(body, key)
    if value is None:
        return None
    if isinstance(value, dict) and all(_is_list_of(item, str) for item in value.values()):
        return value
    raise BodyError(f"{key} is not an object of arrays of text")


def _is_list_of(value: object, item_type: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, item_type) for item in value)


def _data_type(headers: Headers) -> str:
    content_type = join_headers(headers).get("content-type", "")
    media_type = content_type.partition(";")[0].strip()
    if "/" not in media_type:
        raise BodyError("the event has no media type")
    if media_type.lower() not in DATA_TYPES:
        raise DataTypeError(
            f"Message data only supports text, binary, json. Current value is: {media_type}"
        )
    return DATA_TYPES[media_type.lower()]
