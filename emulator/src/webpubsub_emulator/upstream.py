"""Event requests to the app: builds and signs them, and reads the answers. Sends nothing."""

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from webpubsub_emulator.events import ConnectAnswer, Event, EventAnswer, Refusal
from webpubsub_emulator.json_text import parse_json
from webpubsub_emulator.media_types import MediaTypeError, content_type_of, payload_from_body
from webpubsub_emulator.messages import Payload
from webpubsub_emulator.names import is_group_name

ANSWER_LIMIT = 16 * 1024 * 1024  # bytes of an answer from an event handler

_METADATA_PREFIX = "x-webpubsub-metadata-"


@dataclass(frozen=True, slots=True)
class Headers:
    """The headers of an HTTP response, in their order. Names are in any case."""

    items: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for key, value in self.items if key.lower() == name.lower()]

    def last(self, name: str) -> str | None:
        """Return the last value of a header, or None without one."""
        values = self.all(name)
        return values[-1] if values else None


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """An HTTP request to an event handler. A retry sends it unchanged."""

    method: str
    url: str = field(repr=False)  # its query may have a code in it
    headers: dict[str, str] = field(repr=False)  # a signature, and cookies
    body: bytes


@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """The HTTP response of an event handler."""

    status: int
    headers: Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def sign(connection_id: str, access_key: str) -> str:
    """Return the ce-signature of a connection (reference-cloud-events, "Signature")."""
    # Differs from Azure: one signature, because the emulator has no secondary key.
    digest = hmac.new(access_key.encode(), connection_id.encode(), hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def validation_request(method: str, url: str, origin: str) -> UpstreamRequest:
    """Return the request that asks an event handler whether it accepts events from this host."""
    headers = {"WebHook-Request-Origin": origin, "ce-awpsversion": "1.0"}
    return UpstreamRequest(method, url, headers, b"")


def allows(origin: str, response: UpstreamResponse) -> bool:
    """Return whether the answer accepts events (CloudEvents 1.0 webhook spec, abuse protection)."""
    allowed = response.headers.last("WebHook-Allowed-Origin")
    return response.is_success and allowed is not None and allowed.lower() in ("*", origin.lower())


def is_retryable(status: int) -> bool:
    """Return whether an event is sent again after this status."""
    return status == 408 or status >= 500


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of events: the service's host name without the port, and its signing key."""

    origin: str
    access_key: str = field(repr=False)


def build_request(
    event: Event, sender: Sender, url: str, sent_at: datetime, request_id: str
) -> UpstreamRequest:
    """Return the event as an HTTP request (reference-cloud-events). `sent_at` is in UTC."""
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
        "Content-Type": _content_type(event),
    }
    headers |= _optional_headers(event) | _metadata_headers(event)
    cookies = event.cookies.header(url)
    if cookies is not None:
        headers["Cookie"] = cookies
    return UpstreamRequest("POST", url, headers, event.payload.content)


def _content_type(event: Event) -> str:
    # The reference has the charset in the examples of system events only. The tests of npm's
    # web-pubsub-express have it for events of groups too.
    if event.kind != "user":
        return "application/json; charset=utf-8"
    return content_type_of(event.payload)


def _metadata_headers(event: Event) -> dict[str, str]:
    return {f"{_METADATA_PREFIX}{key}": value for key, value in event.payload.metadata}


def _optional_headers(event: Event) -> dict[str, str]:
    headers = {}
    if event.user_id:
        headers["ce-userId"] = event.user_id
    if event.subprotocol:
        headers["ce-subprotocol"] = event.subprotocol
    # An empty state is sent, because the app set it.
    if event.connection_state is not None:
        headers["ce-connectionState"] = event.connection_state
    return headers


def read_connect_answer(response: UpstreamResponse | None) -> ConnectAnswer | Refusal:
    """Return the app's answer to a connect event (reference-cloud-events, "Connect").

    Without a response, or with a success that cannot be read, the client is refused with 500.
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
    """Return the app's answer to a user event (reference-cloud-events, "Message").

    None means that the event failed.
    """
    if response is None or not response.is_success:
        return None
    try:
        payload = _event_payload(response)
    except (MediaTypeError, ValueError):
        return None
    return EventAnswer(payload, response.headers.last("ce-connectionState"))


def _event_payload(response: UpstreamResponse) -> Payload | None:
    """Return the message for the client. Metadata without a body make an empty text."""
    metadata = _read_metadata(response.headers)
    if response.body:
        payload = payload_from_body(response.headers.last("Content-Type"), response.body)
        return replace(payload, metadata=metadata)
    return Payload("text", b"", metadata) if metadata else None


def _read_metadata(headers: Headers) -> tuple[tuple[str, str], ...]:
    """Return metadata with keys in lower case. The last value of a repeated key counts."""
    metadata = {}
    for name, value in headers.items:
        if name.lower().startswith(_METADATA_PREFIX):
            key = name.lower().removeprefix(_METADATA_PREFIX)
            metadata[key] = value.rpartition(",")[2].strip()
    return tuple(metadata.items())
