"""Converts the return value of an event function to the response that the service gets.

Source of all rules here: Microsoft.Azure.WebJobs.Extensions.WebPubSub Utilities.cs
(BuildValidResponse) and WebPubSubTriggerDispatcher.cs.
"""

import base64
import json
import logging
from collections.abc import Mapping
from typing import Any

from localdev.host.bindings import Answer, Outcome
from localdev.host.events import EventContext, EventKind
from localdev.host.states import encode_states

logger = logging.getLogger("localdev.host")

# WebPubSubStatusCode; the numbers are accepted in place of the names.
CODES = {"success": -1, "unauthorized": 0, "usererror": 1, "servererror": 2}
ERROR_STATUS = {0: 401, 1: 400, 2: 500}
# WebPubSubDataType; the numbers are accepted in place of the names.
DATA_TYPES = {"binary": 0, "json": 1, "text": 2}
CONTENT_TYPES = {0: "application/octet-stream", 1: "application/json", 2: "text/plain"}


class ReturnValueError(ValueError):
    """The returned object is rejected; the service gets 500 with this text."""


def text_answer(status: int, text: str) -> Answer:
    """Return an answer as StringContent of .NET makes it."""
    return Answer(status, (("Content-Type", "text/plain; charset=utf-8"),), text.encode())


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
    if "code" in value:
        code = _enum_value(value["code"], CODES, "code")
        if code in ERROR_STATUS:
            return text_answer(ERROR_STATUS[code], _error_message(value))
    states = {**context.states, **_returned_states(value)}
    state_header = (("ce-connectionState", encode_states(states)),) if states else ()
    if context.kind is EventKind.CONNECT:
        body = json.dumps(_connect_body(value), ensure_ascii=False, separators=(",", ":"))
        return Answer(200, (("Content-Type", "application/json"), *state_header), body.encode())
    content_type = CONTENT_TYPES[_enum_value(value.get("dataType", 0), DATA_TYPES, "dataType")]
    return Answer(200, (("Content-Type", content_type), *state_header), _data_bytes(value))


def _error_message(value: Mapping[str, Any]) -> str:
    message = _text(value, "errorMessage")
    if message is None:
        raise ReturnValueError("Value cannot be null. (Parameter 'content')")
    return message


def _returned_states(value: Mapping[str, Any]) -> dict[str, Any]:
    # Anything but an object is ignored, and an empty object changes nothing: states stay set.
    states = value.get("states")
    return states if isinstance(states, dict) else {}


def _connect_body(value: Mapping[str, Any]) -> dict[str, Any]:
    # Differs from Azure: names are case-sensitive here; Newtonsoft ignores their case.
    return {
        "userId": _text(value, "userId"),
        "groups": _texts(value, "groups"),
        "subprotocol": _text(value, "subprotocol"),
        "roles": _texts(value, "roles"),
    }


def _data_bytes(value: Mapping[str, Any]) -> bytes:
    if "data" not in value:
        return b""
    data = value["data"]
    if isinstance(data, str):
        return data.encode("utf-8", "replace")
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
    if isinstance(value, str) and value.lower() in names:
        return names[value.lower()]
    if isinstance(value, int) and not isinstance(value, bool) and value in names.values():
        return value
    raise ReturnValueError(f"Error converting the value of '{key}'.")


def _text(value: Mapping[str, Any], key: str) -> str | None:
    return _as_text(value.get(key), key)


def _texts(value: Mapping[str, Any], key: str) -> list[str | None] | None:
    items = value.get(key)
    if items is None:
        return None
    if not isinstance(items, list):
        raise ReturnValueError(f"Error converting the value of '{key}'.")
    return [_as_text(item, key) for item in items]


def _as_text(value: object, key: str) -> str | None:
    # Newtonsoft converts numbers and booleans to text, and rejects objects and arrays.
    if isinstance(value, dict | list):
        raise ReturnValueError(f"Error reading string at '{key}'.")
    return value if value is None or isinstance(value, str) else str(value)
