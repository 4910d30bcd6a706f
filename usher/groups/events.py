"""Trigger payloads to frozen dataclasses, checked before any workflow code sees them.

The payload is what the Web PubSub extension hands to Python for `arg_name="request"`
(Microsoft.Azure.WebJobs.Extensions.WebPubSub, WebPubSubTriggerBinding).
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from usher.errors import BadEventError
from usher.settings import Settings, is_user_id

GROUP_CLAIM = "webpubsub.group"


@dataclass(frozen=True)
class ConnectionEvent:
    """One event of one connection. `token_groups` and `client_origins` are of `connect` alone.

    Only `connect` carries the token's claims; what later events need travels in `states`.
    `client_origins` are the `Origin` headers of the client's handshake: where a page came from.
    `event_id` and `time` are what the service says of the event, the same when it is sent again.
    """

    name: str
    hub: str
    connection_id: str
    user_id: str | None
    states: Mapping[str, Any]
    token_groups: tuple[str, ...] = ()
    client_origins: tuple[str, ...] = ()
    event_id: str = ""
    time: datetime | None = None


def read_event(request: str, name: str, settings: Settings) -> ConnectionEvent:
    """Raises BadEventError for a payload that is malformed, of another event, hub or service."""
    try:
        payload = json.loads(request)
        context = payload["connectionContext"]
        attributes = _mapping(context.get("headers") or {})
        event = ConnectionEvent(
            name=_text(context["eventName"]),
            hub=_text(context["hub"]),
            connection_id=_name(context["connectionId"]),
            user_id=_name(context["userId"]) if context["userId"] else None,
            states=_mapping(context["states"]),
            token_groups=_read_groups(_mapping(payload.get("claims", {}))),
            client_origins=_read_headers(_mapping(payload.get("headers", {})), "origin"),
            event_id="".join(_read_headers(attributes, "ce-id")),
            time=_read_time("".join(_read_headers(attributes, "ce-time"))),
        )
        _check_source(event, _text(context["origin"]), settings)
        _check_signature(event, context["signature"], settings.connection.access_key)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadEventError("The event is not one of the Web PubSub extension.") from error
    if event.name != name:
        raise BadEventError(f"This function takes `{name}` events only.")
    return event


def _check_source(event: ConnectionEvent, origin: str, settings: Settings) -> None:
    # The extension checks the origin too, but takes everything where it finds no connection
    # setting, and in identity mode events carry no signature that anybody checks.
    if event.hub.lower() != settings.hub.lower():
        raise BadEventError("The event is of another hub.")
    if settings.connection.host not in origin.lower().replace(",", " ").split():
        raise BadEventError("The event is of another Web PubSub service.")


def _check_signature(event: ConnectionEvent, signatures: object, access_key: str | None) -> None:
    """One per key of the service; it covers the connection's id and nothing else.

    CloudEvents extension of Web PubSub, "Signature". Without a key there is none to check.
    """
    if access_key is None:
        return
    digest = hmac.digest(access_key.encode(), event.connection_id.encode(), "sha256")
    expected = f"sha256={digest.hex()}".encode()
    given = _text(signatures).lower().replace(",", " ").encode().split()
    if not any(hmac.compare_digest(signature, expected) for signature in given):
        raise BadEventError("The event is not signed by this Web PubSub service.")


def _read_headers(headers: Mapping[str, Any], wanted: str) -> tuple[str, ...]:
    found = [values for name, values in headers.items() if name.lower() == wanted]
    return tuple(_text(value) for values in found for value in values)


def _read_time(text: str) -> datetime | None:
    """None for a time that is missing or cannot be read: nothing depends on it but a display."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _read_groups(claims: Mapping[str, Any]) -> tuple[str, ...]:
    # The service gives some claims long URI names, so the last part of the name counts as well.
    values = [value for name, value in claims.items() if name.rpartition("/")[2] == GROUP_CLAIM]
    return tuple(_text(group) for groups in values for group in groups)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a text was expected")
    return value


def _name(value: object) -> str:
    if not is_user_id(_text(value)):
        raise ValueError("a name that can be shown was expected")
    return _text(value)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("an object was expected")
    return value
