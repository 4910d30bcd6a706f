"""The events that the app gets about a connection, and its answers: frozen dataclasses.

The HTTP requests for them are in upstream.py.
"""

import json
from dataclasses import dataclass, field
from typing import Literal

from webpubsub_emulator.cookies import Cookies
from webpubsub_emulator.messages import Payload


@dataclass(frozen=True, slots=True)
class Handshake:
    """A client's opening request, after its token was checked."""

    connection_id: str
    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    subprotocols: tuple[str, ...]  # offered by the client, in its order and spelling
    claims: dict[str, list[str]]
    query: dict[str, list[str]]  # without the access token
    headers: dict[str, list[str]]  # without Authorization


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one connection (reference-cloud-events)."""

    hub: str
    connection_id: str
    kind: Literal["sys", "user", "gp"]
    name: str
    number: int  # counts the connection's events from 0, in their logical order
    payload: Payload
    user_id: str | None = None
    subprotocol: str | None = None
    connection_state: str | None = None
    group: str | None = None  # only for the kind "gp", which are the joins and leaves of groups
    # The connection's own cookies, not a copy: deliveries send them and add to them.
    cookies: Cookies = field(default_factory=Cookies, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """The app accepts a connection. None keeps the value of the client's token."""

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
    """The app handled a user event: with a message for the client, a new state, both or none."""

    payload: Payload | None = None
    connection_state: str | None = None


def connect_payload(handshake: Handshake) -> Payload:
    """Return the body of the connect event (reference-cloud-events, "Connect")."""
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
    # Azure's own infrastructure adds these on the way. Apps do not get them.
    return {
        name: values
        for name, values in headers.items()
        if not name.lower().startswith("x-asrs-internal-")
    }


def connected_payload() -> Payload:
    return _json_payload({})


def disconnected_payload(reason: str) -> Payload:
    return _json_payload({"reason": reason})


def membership_payload(group: str) -> Payload:
    """Return the body of a group's event (npm's web-pubsub-express, "GroupJoinedRequest")."""
    return _json_payload({"group": group})


def _json_payload(value: dict[str, object]) -> Payload:
    return Payload("json", json.dumps(value).encode())
