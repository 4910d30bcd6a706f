"""Checks the webhook as Web PubSub calls it: its key, its origin, the claims of `connect`."""

from localdev.doctor.calls import Answer
from localdev.doctor.findings import Finding, failure, fine, skipped
from localdev.doctor.patient import Patient
from localdev.doctor.service import can_send_events, send_connect, validate
from localdev.host.states import decode_states

FOREIGN = "foreign.example"
GROUPS_STATE = "groups"


async def check_webhook(patient: Patient) -> Finding:
    """No key and a wrong one are refused where keys are asked for; only the service is let in."""
    host = patient.service_host
    if host is None:
        return skipped("nobody told where the service is; --web-pubsub names it")
    closed = await validate(patient, None, host)
    patient.asks_for_key = closed.status == 401
    if patient.asks_for_key:
        return await _check_key(patient, host)
    if closed.status == 200 and not patient.target.is_local:
        return failure(
            "OPTIONS without a key is answered 200",
            "Whoever knows the URL can send events.",
            patient.remedies.ask_for_key(),
        )
    return await _judge_validation(patient, closed, host)


async def _check_key(patient: Patient, host: str) -> Finding:
    key = patient.target.system_key
    if key is None:
        return skipped("401 without a key, as it should be; --key-from-env lets it be tried")
    wrong = await validate(patient, "wrong", host)
    if wrong.status != 401:
        saw = f"OPTIONS with a wrong key is answered {wrong.status}"
        means = "Whoever knows the URL can send events."
        return failure(saw, means, patient.remedies.ask_for_key())
    return await _judge_validation(patient, await validate(patient, key, host), host)


async def _judge_validation(patient: Patient, answer: Answer, host: str) -> Finding:
    if answer.status == 200:
        return await _check_foreign_origin(patient, host)
    saw = f"OPTIONS from {host} is answered {answer.status}"
    remedies = patient.remedies
    match answer.status:
        case 401 if answer.is_login:
            means = "App Service Authentication refuses it before the key is looked at."
            return failure(saw, means, remedies.exclude_webhook())
        case 401:
            means = "The key is not this app's system key webpubsub_extension."
            return failure(saw, means, f"Take the one of: {remedies.show_system_key()}")
        case 404:
            return failure(saw, _no_functions(patient), remedies.load_functions())
        case 400:
            return await _judge_bad_request(patient, saw)
        case 500 | 502 | 503:
            return failure(saw, "The Functions host does not run, or not yet.", remedies.read_log())
    return failure(saw, "This is not the webhook of a function app.", remedies.deploy())


async def _judge_bad_request(patient: Patient, saw: str) -> Finding:
    """An event tells apart what a validation cannot: without a function for it, it is 404."""
    if (await send_connect(patient)).status == 404:
        return failure(saw, _no_functions(patient), patient.remedies.load_functions())
    return failure(
        saw,
        f"The app's connection setting is for another service than {patient.service_host}.",
        patient.remedies.renew_connection(),
    )


async def _check_foreign_origin(patient: Patient, host: str) -> Finding:
    answer = await validate(patient, patient.target.system_key, FOREIGN)
    if answer.status == 400:
        key = "no key is asked for, as here" if not patient.asks_for_key else "401 without the key"
        return fine(f"200 for {host}, 400 for another service; {key}")
    return failure(
        f"OPTIONS from {FOREIGN} is answered {answer.status}",
        "Without WebPubSubConnectionString the extension takes events of every service.",
        patient.remedies.renew_connection(),
    )


def _no_functions(patient: Patient) -> str:
    if patient.target.is_local:
        return f"No function of the app takes events of the hub {patient.hub}."
    return (
        f"No function takes events of the hub {patient.hub}: they did not load, they are disabled, "
        "or the host is older than November 2025 (azure-functions-host, pull request 11489)."
    )


async def check_claims(patient: Patient) -> Finding:
    """Does the app admit a client, and do the groups of its token arrive where they must?"""
    if not can_send_events(patient):
        return skipped("without the system key no event can be sent from here")
    answer = await send_connect(patient)
    groups = ", ".join(patient.groups)
    if answer.status != 200:
        return _judge_refused_connect(patient, answer)
    patient.state = answer.headers.get("ce-connectionState")
    if _read_groups(patient.state) == list(patient.groups):
        return fine(f"connect admits a client of the hub {patient.hub}; its group {groups} arrives")
    return failure(
        f"connect is answered 200 without the group {groups} in ce-connectionState",
        "The later events cannot know the groups, so that nobody is added or announced.",
        "Deploy Usher's own connect function, and let nothing in between take headers away.",
    )


def _read_groups(state: str | None) -> object:
    try:
        return decode_states(state or "").get(GROUPS_STATE)
    except ValueError:
        return None


def _judge_refused_connect(patient: Patient, answer: Answer) -> Finding:
    text = answer.text.strip()
    saw = f"connect is answered {answer.status}{f': {text}' if text else ''}"
    remedies = patient.remedies
    match answer.status:
        case 404:
            return failure(saw, _no_functions(patient), remedies.load_functions())
        case 401 if text and patient.token is None:
            return skipped(f"{saw} Without a caller nobody knows who may enter; --group may help.")
        case 401 if text:
            means = "The app refuses a client that has a token of its own."
            return failure(saw, means, remedies.read_log())
        case 401 if patient.access_key is None:
            return skipped("events must be signed there; --access-key-from-env lets it be tried")
        case 401:
            means = "The signature is not of the app's access key."
            return failure(saw, means, remedies.renew_connection())
    return failure(saw, "The app fails, so that every client is refused.", remedies.read_log())
