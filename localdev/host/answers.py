"""Converts the return value of an event function to the response that the service gets.

Source of all rules here: Microsoft.Azure.WebJobs.Extensions.WebPubSub Utilities.cs
(BuildValidResponse) and WebPubSubTriggerDispatcher.cs.
"""

import base64
import logging
import re
from collections.abc import Mapping
from typing import Any

from localdev.host.bindings import Answer, Outcome
from localdev.host.event_context import EventContext, EventKind
from localdev.host.json_text import encode_text, write_json
from localdev.host.states import encode_states

logger = logging.getLogger("localdev.host")

# WebPubSubStatusCode; the numbers are accepted in place of the names.
# Differs from Azure: one version of the extension has these numbers, another counts from 0.
SUCCESS = -1
CODES = {"success": SUCCESS, "unauthorized": 0, "usererror": 1, "servererror": 2}
ERROR_STATUS = {0: 401, 1: 400}
# WebPubSubDataType; the numbers are accepted in place of the names.
DATA_TYPES = {"binary": 0, "json": 1, "text": 2}
CONTENT_TYPES = {1: "application/json", 2: "text/plain"}
BINARY_CONTENT_TYPE = "application/octet-stream"
# Int32 of .NET has at most ten digits.
INTEGER = re.compile(r"\s*[+-]?[0-9]{1,10}\s*")


class ReturnValueError(ValueError):
    """The returned object is rejected; the service gets 500 with this text."""


def text_answer(status: int, text: str) -> Answer:
    """Return an answer as StringContent of .NET makes it."""
    return Answer(status, (("Content-Type", "text/plain; charset=utf-8"),), encode_text(text))


def answer_event(context: EventContext, outcome: Outcome) -> Answer | None:
    """Return the response to an event, or None if the extension would never send one.

    After an exception in a blocking event the extension waits for a return value that never comes,
    so there is no response. The response to every other event is 200 with an empty body, even
    after an exception.
    """
    if not context.kind.is_blocking:
        return Answer(200)
    if outcome.failed:
        return None
    if outcome.value is None:
        return Answer(200)
    if not isinstance(outcome.value, dict | list):
        return _dropped(context, outcome.value)
    try:
        return _answer_object(context, outcome.value)
    except ReturnValueError as error:
        return text_answer(500, str(error))


def _dropped(context: EventContext, value: object) -> Answer:
    logger.warning(
        "THE ANSWER IS DROPPED: the function for %s returned %s; Azure ignores everything but "
        "a dict and answers 200 with an empty body, which accepts the event",
        context.event_name,
        type(value).__name__,
    )
    return Answer(200)


def _answer_object(context: EventContext, value: dict[str, Any] | list[Any]) -> Answer:
    if not isinstance(value, dict):
        raise ReturnValueError("Response should be a JObject.")
    # Newtonsoft.Json ignores the case of a member's name, and takes the last of several. The
    # extension itself looks up `code` and `states`, by their exact names.
    # Differs from Azure: Newtonsoft.Json takes `$ref` as a reference to another object.
    members = {name.lower(): member for name, member in value.items()}
    if "code" in value:
        code = _enum_value(value["code"], CODES, "code")
        if code != SUCCESS:
            return text_answer(ERROR_STATUS.get(code, 500), _error_message(members))
    states = {**context.states, **_returned_states(value)}
    state_header = (("ce-connectionState", encode_states(states)),) if states else ()
    is_connect = context.kind is EventKind.CONNECT
    content_type, body = _connect_content(members) if is_connect else _message_content(members)
    return Answer(200, (("Content-Type", content_type), *state_header), body)


def _error_message(members: Mapping[str, Any]) -> str:
    message = _text(members, "errorMessage")
    if message is None:
        raise ReturnValueError("Value cannot be null. (Parameter 'content')")
    return message


def _returned_states(value: Mapping[str, Any]) -> dict[str, Any]:
    # Anything but an object is ignored, and an empty object changes nothing: states stay set.
    states = value.get("states")
    return states if isinstance(states, dict) else {}


def _connect_content(members: Mapping[str, Any]) -> tuple[str, bytes]:
    body = {
        "userId": _text(members, "userId"),
        "groups": _texts(members, "groups"),
        "subprotocol": _text(members, "subprotocol"),
        "roles": _texts(members, "roles"),
    }
    return "application/json", encode_text(write_json(body))


def _message_content(members: Mapping[str, Any]) -> tuple[str, bytes]:
    # Only `Code` in another case can still be an error here (UserEventResponse.cs).
    if _enum_value(members.get("code", SUCCESS), CODES, "code") != SUCCESS:
        raise ReturnValueError("StatusCode shouldn't be set to errors in a normal user event.")
    data_type = _enum_value(members.get("datatype", 0), DATA_TYPES, "dataType")
    return CONTENT_TYPES.get(data_type, BINARY_CONTENT_TYPE), _data_bytes(members)


def _data_bytes(members: Mapping[str, Any]) -> bytes:
    data = members.get("data", "")
    if isinstance(data, str):
        return encode_text(data)
    if isinstance(data, dict) and data.get("type") is not None:
        return _buffer_bytes(data.get("data"))
    raise ReturnValueError("Message data should be string, please stringify object.")


def _buffer_bytes(data: object) -> bytes:
    # The form of a Node.js Buffer: {"type": "Buffer", "data": base64 text or numbers}.
    try:
        if isinstance(data, str):
            return base64.b64decode(data, validate=True)
        if isinstance(data, list):
            return bytes(data)
    except (TypeError, ValueError):
        raise ReturnValueError("The data of the buffer cannot be decoded.") from None
    raise ReturnValueError("Value cannot be null. (Parameter 'data')")


def _enum_value(value: object, names: Mapping[str, int], key: str) -> int:
    number = _parse_enum(value, names) if isinstance(value, str) else value
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    raise ReturnValueError(f"Error converting the value of '{key}'.")


def _parse_enum(text: str, names: Mapping[str, int]) -> int | None:
    # Several names are combined bit by bit, as flags (Newtonsoft.Json EnumUtils.cs, ParseEnum).
    combined = 0
    for name in text.lower().split(","):
        number = names.get(name.strip())
        if number is None:
            return int(text) if INTEGER.fullmatch(text) else None
        combined |= number
    return combined


def _text(members: Mapping[str, Any], key: str) -> str | None:
    return _as_text(members.get(key.lower()), key)


def _texts(members: Mapping[str, Any], key: str) -> list[str | None] | None:
    items = members.get(key.lower())
    if items is None or items == "":
        return None
    if not isinstance(items, list):
        raise ReturnValueError(f"Error converting the value of '{key}'.")
    return [_as_text(item, key) for item in items]


def _as_text(value: object, key: str) -> str | None:
    # Newtonsoft.Json converts numbers and booleans to text, and rejects objects and arrays.
    if isinstance(value, dict | list):
        raise ReturnValueError(f"Error reading string at '{key}'.")
    return value if value is None or isinstance(value, str) else str(value)
