"""Converts CloudEvents requests of Web PubSub to the values that trigger parameters receive.

The headers are read in event_context.py, the checks of the webhook are in webhook.py, the responses
in answers.py.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from localdev.host.event_context import EventContext, EventKind
from localdev.host.json_text import encode_text, write_json

DATA_TYPES = {
    "text/plain": "Text",
    "application/json": "Json",
    "application/octet-stream": "Binary",
}
# MediaTypeHeaderValue of .NET; a word is a `token` of RFC 9110.
WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
SPACE = r"[ \t]*"
PARAMETER = rf'{WORD}{SPACE}(?:={SPACE}(?:{WORD}|"(?:[^"\\]|\\.)*"){SPACE})?'
MEDIA_TYPE = re.compile(rf"({WORD}){SPACE}/{SPACE}({WORD}){SPACE}(?:;{SPACE}{PARAMETER})*")


class BodyError(ValueError):
    """The extension itself fails on this body or on its missing media type."""


class DataTypeError(ValueError):
    """The media type of a user event is unknown; the text is the body of the response."""


def event_values(context: EventContext, body: bytes) -> dict[str, Any]:
    """Return the value of a trigger parameter by its name in lower case.

    Raises BodyError (response 500) and DataTypeError (response 400). Source:
    Microsoft.Azure.WebJobs.Extensions.WebPubSub WebPubSubTriggerBinding.cs.
    """
    details = _event_details(context, body)
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
    text = value if isinstance(value, str) else write_json(value, indented=True)
    return encode_text(text) if binary else text


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


def _event_details(context: EventContext, body: bytes) -> dict[str, Any]:
    match context.kind:
        case EventKind.CONNECT:
            return _connect_details(_parse_object(body))
        case EventKind.DISCONNECTED:
            return {"reason": _text_at(_parse_object(body), "reason")}
        case EventKind.USER:
            return {"data": body, "dataType": _data_type(context.content_type)}
        case _:
            return {}


def _connect_details(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "claims": _lists_at(body, "claims"),
        "query": _lists_at(body, "query"),
        "headers": _lists_at(body, "headers"),
        "subprotocols": _list_at(body, "subprotocols"),
        "clientCertificates": _certificates_at(body, "clientCertificates"),
    }


def _certificate(item: Mapping[str, Any]) -> dict[str, Any]:
    # The extension writes a capital T, because its class has no naming rule.
    # Differs from Azure: the types of the members are not checked here.
    return {"Thumbprint": item.get("thumbprint"), "content": item.get("content")}


def _parse_object(body: bytes) -> dict[str, Any]:
    # Differs from Azure: .NET ignores a byte order mark, and fails on an escaped lone surrogate.
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


def _list_at(body: Mapping[str, Any], key: str) -> list[str | None] | None:
    value: list[str | None] | None = _member(body, key)
    if value is None or _is_list_of_texts(value):
        return value
    raise BodyError(f"{key} is not an array of text")


def _lists_at(body: Mapping[str, Any], key: str) -> dict[str, list[str | None]] | None:
    value: dict[str, list[str | None]] | None = _member(body, key)
    if value is None:
        return None
    if isinstance(value, dict) and all(_is_list_of_texts(item) for item in value.values()):
        return value
    raise BodyError(f"{key} is not an object of arrays of text")


def _certificates_at(body: Mapping[str, Any], key: str) -> list[dict[str, Any]] | None:
    value: list[dict[str, Any]] | None = _member(body, key)
    if value is None:
        return None
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return [_certificate(item) for item in value]
    raise BodyError(f"{key} is not an array of objects")


def _is_list_of_texts(value: object) -> bool:
    # In an array, .NET takes null as text.
    return isinstance(value, list) and all(isinstance(item, str | None) for item in value)


def _data_type(content_type: str) -> str:
    match = MEDIA_TYPE.fullmatch(content_type)
    if match is None:
        raise BodyError("the event has no media type")
    media_type = f"{match[1]}/{match[2]}"
    data_type = DATA_TYPES.get(media_type.lower())
    if data_type is None:
        raise DataTypeError(
            f"Message data only supports text, binary, json. Current value is: {media_type}"
        )
    return data_type
