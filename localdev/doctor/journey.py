"""Checks the journey of two clients: the first hears itself join, and the second one leave."""

from localdev.doctor.calls import UnreachableError
from localdev.doctor.client import Client, RefusedError, open_client
from localdev.doctor.findings import Finding, failure, fine, skipped
from localdev.doctor.negotiation import ask, caller_of, read_token
from localdev.doctor.patient import Patient, Token, new_user_id
from localdev.doctor.silence import Heard, explain_silence


async def check_journey(patient: Patient) -> Finding:
    """As a browser, with the token that negotiate gave."""
    token = patient.token
    if token is None:
        return skipped("nobody was let in by negotiate")
    try:
        async with open_client(patient.session, token.url) as first:
            heard = await _listen(patient, first, token)
            if not heard.silent:
                return fine(_describe(heard, token))
            return await explain_silence(patient, token, first, heard)
    except RefusedError as error:
        return _judge_refusal(patient, error.status)
    except UnreachableError as error:
        means = "The service is closed to clients of this network."
        return failure(f"no client gets in: {error}", means, patient.remedies.open_to_clients())


async def _listen(patient: Patient, first: Client, token: Token) -> Heard:
    """What is heard of what the settings, where they are known, say is told."""
    tells_joins = patient.facts.get("tellsJoins", True)
    tells_leaves = patient.facts.get("tellsLeaves", True)
    join = await first.hear(token.user_id, patient.target.patience) if tells_joins else None
    leave = await _hear_leave(patient, first, token, join is not None) if tells_leaves else None
    return Heard(join, leave, tells_joins, tells_leaves, first.others)


async def _hear_leave(
    patient: Patient, first: Client, own: Token, hears_joins: bool
) -> float | None:
    """A second client comes and goes; where it may have a name of its own, it has one."""
    answer = await ask(patient, caller_of(patient), new_user_id())
    second = read_token(answer.body) or own
    async with open_client(patient.session, second.url):
        # Its join comes first, or else it would be taken for the leave.
        if hears_joins:
            await first.hear(second.user_id, patient.target.patience)
    return await first.hear(second.user_id, patient.target.patience)


def _describe(heard: Heard, token: Token) -> str:
    told = [
        f"{what} after {milliseconds:.0f} ms"
        for what, milliseconds in (("its own join", heard.join), ("a leave", heard.leave))
        if milliseconds is not None
    ]
    if not told:
        return f"{token.user_id} gets in; the settings say that nothing is announced"
    return f"{token.user_id} hears {' and '.join(told)}"


def _judge_refusal(patient: Patient, status: int) -> Finding:
    saw = f"the service answers the client's handshake with {status}"
    remedies = patient.remedies
    if patient.remarks:
        means = f"The event handler may be wrong: {'; '.join(patient.remarks)}."
        return failure(saw, means, remedies.write_handler())
    match status:
        case 401 if patient.state is None:
            means = "The service does not take the token, or the app refuses the client."
            return failure(saw, means, remedies.read_log())
        case 401:
            means = (
                "The app would admit it, so the service does not take the token of the app's key."
            )
            return failure(saw, means, remedies.renew_connection())
        case 403:
            means = "The resource's network rules keep clients of this network out."
            return failure(saw, means, remedies.open_to_clients())
        case 429:
            means = "The resource has as many clients as its units allow."
            return failure(saw, means, "Give the Web PubSub resource more units.")
    means = (
        "The service cannot deliver `connect`: the event handler's URL has another key or address"
    )
    told = "." if patient.state is None else "; the app itself admits the client."
    return failure(saw, means + told, remedies.write_handler())
