"""What it means that nobody was told: the service's event handler, or the app?

The doctor tells the app of the same client as the service should have. If the app then announces,
the event did not come from the service.
"""

from dataclasses import dataclass
from enum import Enum

from localdev.doctor.client import Client, RefusedError, open_client
from localdev.doctor.findings import Finding, failure, warning
from localdev.doctor.patient import Patient, Token
from localdev.doctor.service import can_send_events, send_connected, send_disconnected
from webpubsub_emulator import tokens

FOREIGN = "https://foreign.example"
CONNECTED = "connected"
DISCONNECTED = "disconnected"


@dataclass(frozen=True)
class Heard:
    """Milliseconds until a join and a leave were heard; None where they were not.

    `tells_joins` and `tells_leaves` are false where the settings say so. `others` is how often
    somebody else was told of meanwhile.
    """

    join: float | None
    leave: float | None
    tells_joins: bool = True
    tells_leaves: bool = True
    others: int = 0

    @property
    def silent(self) -> tuple[str, ...]:
        """The events of which something should have been heard."""
        join = (CONNECTED,) if self.tells_joins and self.join is None else ()
        leave = (DISCONNECTED,) if self.tells_leaves and self.leave is None else ()
        return (*join, *leave)


class Told(Enum):
    """What the app did when the doctor told it of an event."""

    ANNOUNCED = "announced"
    NOTHING = "nothing"
    NO_FUNCTION = "no function"
    NOT_ASKED = "not asked"


async def explain_silence(patient: Patient, token: Token, client: Client, heard: Heard) -> Finding:
    """The one fault behind it."""
    if heard.others:
        return _judge_crowd(heard)
    told = {event: await _tell(patient, token, client, event) for event in heard.silent}
    if without := [event for event, each in told.items() if each is Told.NO_FUNCTION]:
        return failure(
            f"the app has no function for {' and '.join(without)}",
            "It did not load, or is disabled.",
            patient.remedies.load_functions(),
        )
    not_sent = [event for event, each in told.items() if each is not Told.NOTHING]
    if not not_sent:
        return _judge_quiet_app(patient, heard)
    is_certain = all(told[event] is Told.ANNOUNCED for event in not_sent)
    if len(not_sent) == 1 and (heard.join is not None or heard.leave is not None):
        return _judge_missing_event(patient, not_sent[0], is_certain)
    comes = await _does_connect_arrive(patient, token)
    return _judge_missing_events(patient, not_sent, is_certain, comes)


async def _tell(patient: Patient, token: Token, client: Client, event: str) -> Told:
    if patient.state is None or not can_send_events(patient):
        return Told.NOT_ASKED
    if event == CONNECTED:
        answer = await send_connected(patient, client.connection_id, token.user_id)
    else:
        answer = await send_disconnected(patient, token.user_id)
    if answer.status != 200:
        return Told.NO_FUNCTION if answer.status == 404 else Told.NOT_ASKED
    heard = await client.hear(token.user_id, patient.target.patience)
    return Told.NOTHING if heard is None else Told.ANNOUNCED


def _judge_crowd(heard: Heard) -> Finding:
    """Of many at once the app tells the number, and two names."""
    return warning(
        f"nothing is heard of {' and '.join(heard.silent)}, and of others {heard.others} times",
        "The group is too busy to tell: of a crowd two names are told.",
        "Examine in a quiet group (--group).",
    )


def _judge_quiet_app(patient: Patient, heard: Heard) -> Finding:
    """It is told of everything, and says nothing of it."""
    texts = {CONNECTED: "USHER_JOIN_TEXT", DISCONNECTED: "USHER_LEAVE_TEXT"}
    named = " and ".join(texts[event] for event in heard.silent)
    verb = "is" if len(heard.silent) == 1 else "are"
    if patient.facts:
        return failure(
            f"the app announces nothing for {' and '.join(heard.silent)}",
            f"{named} {verb} not empty here, so the service refuses the message, or the app fails.",
            patient.remedies.read_log(),
        )
    return warning(
        f"the app announces nothing for {' and '.join(heard.silent)}",
        f"{named} {verb} empty, which is fine if it is meant, or the app fails.",
        patient.remedies.read_log(),
    )


def _judge_missing_event(patient: Patient, event: str, is_certain: bool) -> Finding:
    """The other one comes, so `connect` does, too: without it there would be no state."""
    what = "join" if event == CONNECTED else "leave"
    saw = f"no {what} is heard, and the {'leave' if event == CONNECTED else 'join'} is"
    means = f"The hub's event handler does not send {event}"
    if is_certain:
        return failure(saw, f"{means}.", patient.remedies.write_handler())
    setting = f"USHER_{what.upper()}_TEXT"
    return warning(saw, f"{means}, or {setting} is empty.", patient.remedies.write_handler())


def _judge_missing_events(
    patient: Patient, events: list[str], is_certain: bool, comes: bool | None
) -> Finding:
    """Without `connect` there are no groups, so that nothing is heard whatever else comes."""
    saw = f"the client gets in, and nothing is heard of {' and '.join(events)}"
    write = patient.remedies.write_handler()
    if comes:
        means = f"The hub's event handler does not send {' and '.join(events)}"
        if is_certain:
            return failure(saw, f"{means}.", write)
        return warning(saw, f"{means}, or USHER_JOIN_TEXT and USHER_LEAVE_TEXT are empty.", write)
    if patient.sends_connect is False:
        means = "The hub's event handler does not send connect, which alone knows the groups."
        return failure(saw, means, write)
    if comes is False:
        means = (
            f"The hub {patient.hub} has no event handler, or it does not send connect, which alone "
            "knows the groups."
        )
        return failure(saw, means, write)
    means = f"The event handler of the hub {patient.hub} is missing, or does not send all events."
    return failure(saw, means, write)


async def _does_connect_arrive(patient: Patient, token: Token) -> bool | None:
    """Opens a client that the app would refuse. None where there is none."""
    if patient.access_key is not None:
        url, origin = _url_without_groups(token, patient.access_key), None
    elif patient.mode != "local":
        url, origin = token.url, FOREIGN
    else:
        return None
    try:
        async with open_client(patient.session, url, origin):
            return False
    except RefusedError:
        return True


def _url_without_groups(token: Token, access_key: str) -> str:
    """The app refuses a token that names no group to enter."""
    audience = token.base_url.replace("ws", "http", 1)
    client = tokens.Client(token.user_id, roles=(), groups=(), claims={})
    signed = tokens.sign_client_token(access_key, audience, client, minutes=5)
    return f"{token.base_url}?access_token={signed}"
