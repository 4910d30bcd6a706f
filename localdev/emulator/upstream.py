"""Event requests to the app: build, sign, read the answer. Nothing is sent from here."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from localdev.emulator.events import ConnectAnswer, Event, EventAnswer, Refusal
from localdev.emulator.media_types import MediaTypeError, content_type_of, payload_from_body
from localdev.emulator.messages import is_group_name, parse_json

ANSWER_LIMIT = 16 * 1024 * 1024
"""The largest answer in bytes that is read from an event handler."""

_PLACEHOLDER = re.compile(r"\{(hub|event)\}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Headers:
    """The headers of an HTTP answer, in their order."""

    items: tuple[tuple[str, str], ...]

    def last(self, name: str) -> str | None:
        """The last value of that name, in any case; None if there is none."""
        values = [value for key, value in self.items if key.lower() == name.lower()]
        return values[-1] if values else None


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """An event as an HTTP POST; sent again on a retry as it is."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """What the event handler answered over HTTP."""

    status: int
    headers: Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


def check_template(template: str) -> None:
    """ValueError if the event handler URL template cannot be used (howto-develop-eventhandler)."""
    try:
        parts = urlsplit(template)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("The event handler URL is not a URL.") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("The event handler URL must start with http:// or https://.")
    if not host:
        raise ValueError("The event handler URL has no host name.")
    if "{" in parts.netloc or "}" in parts.netloc:
        raise ValueError("The event handler URL must not have a parameter in its host name.")
    if re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        raise ValueError("The event handler URL knows two parameters: {hub} and {event}.")


def resolve_url(template: str, hub: str, event: str) -> str:
    """The template with {hub} and {event}, in any case, replaced and percent-encoded."""
    values = {"hub": quote(hub, safe=""), "event": quote(event, safe="")}
    return _PLACEHOLDER.sub(lambda found: values[found[1].lower()], template)


def sign(connection_id: str, access_key: str) -> str:
    """The ce-signature of a connection (reference-cloud-events, "Signature").

    Differs from Azure: one signature, since there is no secondary key here.
    """
    digest = hmac.new(access_key.encode(), connection_id.encode(), hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def validation_headers(origin: str) -> dict[str, str]:
    """The headers that ask an event handler whether it wants events from this host."""
    return {"WebHook-Request-Origin": origin, "ce-awpsversion": "1.0"}


def allows(origin: str, response: UpstreamResponse) -> bool:
    """Whether the answer permits events (abuse protection, CloudEvents 1.0 webhook spec)."""
    allowed = response.headers.last("WebHook-Allowed-Origin")
    return response.is_success and allowed is not None and allowed.lower() in ("*", origin.lower())


def is_retryable(status: int) -> bool:
    """Whether an event is sent again after this status."""
    return status == 408 or status >= 500


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends events: the service's host name without port, and its key for signing."""

    origin: str
    access_key: str = field(repr=False)


def build_request(
    event: Event, sender: Sender, sent_at: datetime, request_id: str
) -> UpstreamRequest:
    """The event as a CloudEvents HTTP request (reference-cloud-events). `sent_at` is in UTC."""
    headers = {
        "ce-specversion": "1.0",
        "ce-awpsversion": "1.0",
        "ce-type": f"azure.webpubsub.{event.kind}.{event.name}",
        "ce-source": f"/hubs/{event.hub}/client/{event.connection_id}",
        "ce-id": str(event.number),
        "ce-time": sent_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ce-signature": sign(event.connection_id, sender.access_key),
        "ce-connectionId": event.connection_id,
        "ce-hub": event.hub,
        "ce-eventName": event.name,
        "x-ms-client-request-id": request_id,
        "WebHook-Request-Origin": sender.origin,
        "Content-Type": content_type_of(event.payload),
    }
    # Differs from Azure: no Cookie header; cookies that the app sets are not kept.
    return UpstreamRequest(headers | _optional_headers(event), event.payload.content)


def _optional_headers(event: Event) -> dict[str, str]:
    headers = {}
    if event.user_id:
        headers["ce-userId"] = event.user_id
    if event.subprotocol:
        headers["ce-subprotocol"] = event.subprotocol
    # An empty state is a state: the app set it.
    if event.connection_state is not None:
        headers["ce-connectionState"] = event.connection_state
    return headers


def read_connect_answer(response: UpstreamResponse | None) -> ConnectAnswer | Refusal:
    """The app's word on a connection (reference-cloud-events, "Connect").

    No response, or a success that cannot be read, refuses the client with 500.
    """
    if response is None:
        return Refusal(500)
    if not response.is_success:
        # Differs from Azure's documentation: the app's refusal text does not reach the client.
        return Refusal(response.status)
    try:
        body = parse_json(response.body.decode()) if response.body.strip() else None
        return _connect_answer(body, response.headers.last("ce-connectionState"))
    except ValueError:
        return Refusal(500)


def _connect_answer(body: Any, state: str | None) -> ConnectAnswer:
    if body is None:
        return ConnectAnswer(connection_state=state)
    if not isinstance(body, dict):
        raise ValueError("not an object")
    groups = _strings(body.get("groups"))
    if groups and not all(is_group_name(group) for group in groups):
        raise ValueError("groups")
    return ConnectAnswer(
        user_id=_optional_string(body.get("userId")),
        roles=_strings(body.get("roles")),
        groups=groups or None,
        subprotocol=_optional_string(body.get("subprotocol")) or None,
        connection_state=state,
    )


def _optional_string(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError("not a string")
    return value


def _strings(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("not a list of strings")
    return tuple(value)


def read_event_answer(response: UpstreamResponse | None) -> EventAnswer | None:
    """The app's answer to a user event; None if it failed (reference-cloud-events, "Message")."""
    if response is None or not response.is_success:
        return None
    state = response.headers.last("ce-connectionState")
    if not response.body:
        return EventAnswer(connection_state=state)
    try:
        payload = payload_from_body(response.headers.last("Content-Type"), response.body)
    except (MediaTypeError, ValueError):
        return None
    return EventAnswer(payload, state)
