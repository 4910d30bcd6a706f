"""Reads and checks the payloads of event triggers.

The Web PubSub extension passes the payload to Python for `arg_name="request"`
(Microsoft.Azure.WebJobs.Extensions.WebPubSub, WebPubSubTriggerBinding).
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from usher.errors import BadEventError
from usher.logs import note
from usher.names import is_printable_id
from usher.settings import Settings

# The reason with which removals close connections.
CLOSE_REASON = "removed"
# How the service passes a reason on, to the client and in the event (Azure documentation,
# "Azure Web PubSub-supported JSON WebSocket subprotocol", disconnected).
REMOVAL = f"Application server closed the connection. Reason: {CLOSE_REASON}"
GROUP_CLAIM, ROLE_CLAIM = "webpubsub.group", "role"


@dataclass(frozen=True, slots=True)
class ConnectionEvent:
    """An event. Only `connect` has `token_groups`, `token_roles` and `client_origins`.

    Only `connect` has the token's claims; `states`, the connection state, has what later events
    need. `client_origins` are the `Origin` headers of the client's handshake, which a browser
    sends. `event_id` and `time` come from the service and stay the same in a retried event.
    `is_removal` says that a removal closed the connection.
    """

    name: str
    hub: str
    connection_id: str
    user_id: str | None
    states: Mapping[str, Any]
    token_groups: tuple[str, ...] = ()
    token_roles: tuple[str, ...] = ()
    client_origins: tuple[str, ...] = ()
    event_id: str = ""
    time: datetime | None = None
    is_removal: bool = False


def read_event(request: str, name: str, settings: Settings) -> ConnectionEvent:
    """Read an event of this name, hub and service. Raises BadEventError."""
    try:
        payload = json.loads(request)
        context = payload["connectionContext"]
        attributes = _mapping(context.get("headers") or {})
        claims = _mapping(payload.get("claims", {}))
        event = ConnectionEvent(
            name=_text(context["eventName"]),
            hub=_text(context["hub"]),
            connection_id=_id(context["connectionId"]),
            user_id=_id(context["userId"]) if context["userId"] else None,
            states=_mapping(context["states"]),
            token_groups=_read_claim(claims, GROUP_CLAIM),
            token_roles=_read_claim(claims, ROLE_CLAIM),
            client_origins=_read_headers(_mapping(payload.get("headers", {})), "origin"),
            event_id="".join(_read_headers(attributes, "ce-id")),
            time=_read_time("".join(_read_headers(attributes, "ce-time"))),
            is_removal=str(payload.get("reason")).startswith(REMOVAL),
        )
        _check_source(event, _text(context["origin"]), settings)
        _check_signature(event, context["signature"], settings.connection.access_key)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadEventError("The event is malformed.") from error
    note("userId", event.user_id)
    _check_name(event, name)
    return event


def _check_name(event: ConnectionEvent, name: str) -> None:
    if event.name != name:
        raise BadEventError(f"This function accepts only `{name}` events.")


def _check_source(event: ConnectionEvent, origin: str, settings: Settings) -> None:
    # The extension checks the origin too, but accepts every origin if it finds no connection
    # setting; and with an identity the signature of an event is not checked at all.
    if event.hub.lower() != settings.hub.lower():
        raise BadEventError("The event is for another hub.")
    if settings.connection.host not in origin.lower().replace(",", " ").split():
        raise BadEventError("The event is from another Web PubSub service.")


def _check_signature(event: ConnectionEvent, signatures: object, access_key: str | None) -> None:
    """Check the signature of the connection id; the event has one for each key of the service.

    CloudEvents extension of Web PubSub, "Signature". Without an access key it cannot be checked.
    """
    if access_key is None:
        return
    digest = hmac.digest(access_key.encode(), event.connection_id.encode(), "sha256")
    expected = f"sha256={digest.hex()}".encode()
    given = _text(signatures).lower().replace(",", " ").encode().split()
    if not any(hmac.compare_digest(signature, expected) for signature in given):
        raise BadEventError("The event has no signature of this Web PubSub service.")


def _read_headers(headers: Mapping[str, Any], wanted: str) -> tuple[str, ...]:
    found = [values for name, values in headers.items() if name.lower() == wanted]
    return tuple(_text(value) for values in found for value in values)


def _read_time(text: str) -> datetime | None:
    """Return None for a missing or malformed time: it is only displayed."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _read_claim(claims: Mapping[str, Any], wanted: str) -> tuple[str, ...]:
    # The service gives some claims long names, URIs whose last part is the short name.
    found = [values for name, values in claims.items() if name.rpartition("/")[2] == wanted]
    return tuple(_text(value) for values in found for value in values)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _id(value: object) -> str:
    if not is_printable_id(_text(value)):
        raise ValueError("not a printable id")
    return _text(value)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value
