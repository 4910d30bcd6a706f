"""The part of Web PubSub: validations and events, built by the emulator's own code."""

import uuid
from datetime import UTC, datetime

from localdev.doctor.calls import Answer
from localdev.doctor.patient import Patient
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
# Above those that a connection has in its first minute: the app drops an event that it knows.
EVENT_NUMBER = 1_000_000


def can_send_events(patient: Patient) -> bool:
    """Whether the webhook can be opened from here; a signature may be missing all the same."""
    has_key = bool(patient.target.system_key) or not patient.asks_for_key
    return has_key and patient.service_host is not None


async def validate(patient: Patient, key: str | None, origin: str) -> Answer:
    """The question whether the app takes events from there (abuse protection)."""
    return await _send(patient, validation_request("OPTIONS", patient.target.webhook, origin), key)


async def send_connect(patient: Patient) -> Answer:
    """A client that never was asks to come in, with the claims of a real one."""
    groups = list(patient.groups)
    user_id = patient.token.user_id if patient.token else patient.user_id
    handshake = Handshake(
        connection_id=_new_id(),
        user_id=user_id,
        roles=(),
        groups=patient.groups,
        subprotocols=(SUBPROTOCOL,),
        claims={"sub": [user_id], "webpubsub.group": groups},
        query={},
        headers={},
    )
    return await _send_event(
        patient, "connect", handshake.connection_id, user_id, connect_payload(handshake)
    )


async def send_connected(patient: Patient, connection_id: str, user_id: str) -> Answer:
    """Tells of a real connection once more, with the state that `connect` answered."""
    return await _send_event(patient, "connected", connection_id, user_id, connected_payload())


async def send_disconnected(patient: Patient, user_id: str) -> Answer:
    """Tells of the end of a connection that never was."""
    payload = disconnected_payload("examined")
    return await _send_event(patient, "disconnected", _new_id(), user_id, payload)


async def _send_event(
    patient: Patient, name: str, connection_id: str, user_id: str, payload: Payload
) -> Answer:
    event = Event(
        hub=patient.hub,
        connection_id=connection_id,
        kind="sys",
        name=name,
        number=EVENT_NUMBER,
        payload=payload,
        user_id=user_id,
        subprotocol=SUBPROTOCOL,
        connection_state=None if name == "connect" else patient.state,
    )
    sender = Sender(patient.service_host or "", patient.access_key or "none")
    request = build_request(
        event, sender, patient.target.webhook, datetime.now(UTC), str(uuid.uuid4())
    )
    # A service without keys signs nothing (Web PubSub, `disableLocalAuth`).
    if patient.access_key is None:
        del request.headers["ce-signature"]
    return await _send(patient, request, patient.target.system_key)


async def _send(patient: Patient, request: UpstreamRequest, key: str | None) -> Answer:
    headers = request.headers | ({"x-functions-key": key} if key else {})
    return await patient.ask_app(request.method, WEBHOOK, headers, request.body or None)


def _new_id() -> str:
    return f"doctor{uuid.uuid4().hex}"
