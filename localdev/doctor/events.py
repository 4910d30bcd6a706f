"""Sends validations and events to the webhook as Web PubSub does, built by the emulator's code."""

import uuid
from datetime import UTC, datetime

from localdev.doctor.calls import Answer
from localdev.doctor.context import Context
from webpubsub_emulator.events import (
    Event,
    Handshake,
    connect_payload,
    connected_payload,
    disconnected_payload,
)
from webpubsub_emulator.messages import Payload
from webpubsub_emulator.upstream import Sender, UpstreamRequest, build_request, validation_request

WEBHOOK = "/runtime/webhooks/webpubsub"
SUBPROTOCOL = "json.webpubsub.azure.v1"
# Higher than the numbers of real events, because the app ignores an event that it has had already.
EVENT_NUMBER = 1_000_000


def can_send_events(context: Context) -> bool:
    """Return whether the webhook accepts our calls; it may still require a signature."""
    has_key = bool(context.target.system_key) or not context.requires_key
    return has_key and context.service_host is not None


async def validate(context: Context, key: str | None, origin: str) -> Answer:
    """Ask whether the app accepts events from a service (CloudEvents abuse protection)."""
    return await _send(context, validation_request("OPTIONS", context.target.webhook, origin), key)


async def send_connect(context: Context) -> Answer:
    """Send `connect` for a client that does not exist, with the claims of a real one."""
    user_id = context.token.user_id if context.token else context.user_id
    return await _send_connect(context, _new_id(), user_id)


async def _send_connect(context: Context, connection_id: str, user_id: str) -> Answer:
    handshake = Handshake(
        connection_id=connection_id,
        user_id=user_id,
        roles=(),
        groups=context.groups,
        subprotocols=(SUBPROTOCOL,),
        claims={"sub": [user_id], "webpubsub.group": list(context.groups)},
        query={},
        headers={},
    )
    payload = connect_payload(handshake)
    return await _send_event(context, "connect", connection_id, user_id, payload)


async def send_connected(context: Context, connection_id: str, user_id: str) -> Answer:
    """Send `connected` for an existing connection."""
    return await _send_later(context, "connected", connection_id, user_id, connected_payload())


async def send_disconnected(context: Context, user_id: str) -> Answer:
    """Send `disconnected` for a connection that does not exist."""
    payload = disconnected_payload("examined")
    return await _send_later(context, "disconnected", _new_id(), user_id, payload)


async def _send_later(
    context: Context, name: str, connection_id: str, user_id: str, payload: Payload
) -> Answer:
    # With the state that `connect` returns: its seal is for this connection and user only.
    state = (await _send_connect(context, connection_id, user_id)).headers.get("ce-connectionState")
    return await _send_event(context, name, connection_id, user_id, payload, state)


async def _send_event(
    context: Context,
    name: str,
    connection_id: str,
    user_id: str,
    payload: Payload,
    state: str | None = None,
) -> Answer:
    event = Event(
        hub=context.hub,
        connection_id=connection_id,
        kind="sys",
        name=name,
        number=EVENT_NUMBER,
        payload=payload,
        user_id=user_id,
        subprotocol=SUBPROTOCOL,
        connection_state=state,
    )
    sender = Sender(context.service_host or "", context.access_key or "none")
    request = build_request(
        event, sender, context.target.webhook, datetime.now(UTC), str(uuid.uuid4())
    )
    # A service without access keys signs nothing (Web PubSub, `disableLocalAuth`).
    if context.access_key is None:
        del request.headers["ce-signature"]
    return await _send(context, request, context.target.system_key)


async def _send(context: Context, request: UpstreamRequest, key: str | None) -> Answer:
    headers = request.headers | ({"x-functions-key": key} if key else {})
    return await context.ask_app(request.method, WEBHOOK, headers, request.body or None)


def _new_id() -> str:
    return f"doctor{uuid.uuid4().hex}"
