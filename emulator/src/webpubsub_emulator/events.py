"""What the app is told about a connection, and what it may answer: frozen dataclasses.

How these travel over HTTP is in upstream.py.
"""

import json
from dataclasses import dataclass, field
from typing import Literal

from webpubsub_emulator.cookies import Cookies
from webpubsub_emulator.messages import Payload


@dataclass(frozen=True, slots=True)
class Handshake:
    """A client's opening request, after its token was accepted."""

    connection_id: str
    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    subprotocols: tuple[str, ...]
    """The subprotocols offered, in the client's order and spelling."""
    claims: dict[str, list[str]]
    query: dict[str, list[str]]
    """Without the access token."""
    headers: dict[str, list[str]]
    """Without Authorization."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one connection (reference-cloud-events)."""

    hub: str
    connection_id: str
    kind: Literal["sys", "user"]
    name: str
    number: int
    """The connection's own count of its events, from 0; it gives the logical order."""
    payload: Payload
    user_id: str | None = None
    subprotocol: str | None = None
    connection_state: str | None = None
    cookies: Cookies = field(default_factory=Cookies, compare=False, repr=False)
    """The connection's own, not a copy: deliveries send its cookies and add to them."""


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """The app accepts a connection; None keeps what the client's token says."""

    user_id: str | None = None
    roles: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    subprotocol: str | None = None
    connection_state: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The connection is refused with this HTTP status."""

    status: int


@dataclass(frozen=True, slots=True)
class EventAnswer:
    """The app handled a user event: a message for the client, a new state, or neither."""

    payload: Payload | None = None
    connection_state: str | None = None


def connect_payload(handshake: Handshake) -> Payload:
    """The body of the connect event (reference-cloud-events, "Connect")."""
    return _json_payload(
        {
            "claims": handshake.claims,
            "query": handshake.query,
            "headers": _public_headers(handshake.headers),
            "subprotocols": handshake.subprotocols,
            # Differs from Azure: always empty, since the emulator has no TLS.
            "clientCertificates": [],
        }
    )


def _public_headers(headers: dict[str, list[str]]) -> dict[str, list[str]]:
    # Headers that Azure's own machines add on the way are not the app's business.
    return {
        name: values
        for name, values in headers.items()
        if not name.lower().startswith("x-asrs-internal-")
    }


def connected_payload() -> Payload:
    """The body of the connected event."""
    return _json_payload({})


def disconnected_payload(reason: str) -> Payload:
    """The body of the disconnected event."""
    return _json_payload({"reason": reason})


def _json_payload(value: dict[str, object]) -> Payload:
    return Payload("json", json.dumps(value).encode())
