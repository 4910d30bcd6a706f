"""Checks of the app itself: is it there, are its settings valid, can it do its job."""

import re

from localdev.doctor.calls import Answer, UnreachableError
from localdev.doctor.findings import Finding, failure, fine, skipped, warning
from localdev.doctor.patient import Patient
from localdev.doctor.target import DoctorError

HEALTH = "/api/health"
SETTINGS_WRONG = "The settings of this app"  # how the app's problem begins
ANSWERS_APP_WITH = re.compile(r"answers this app with (\d{3})")


async def meet(patient: Patient) -> Answer:
    """The first call, which may take a cold start. DoctorError where nothing answers at all."""
    try:
        return await patient.ask_app("GET", HEALTH)
    except UnreachableError as error:
        hint = (
            "`python3 dev.py up` starts the stack." if patient.target.is_local else "Is it right?"
        )
        reason = f"Nothing answers at {patient.target.app} ({error})"
        raise DoctorError(f"{reason}. {hint}") from None


async def check_app(patient: Patient) -> Finding:
    """Is it Usher that answers there, and does its host run?"""
    answer = patient.health
    if answer.status in (200, 401) or answer.problem is not None:
        return fine("answers")
    saw = f"GET {HEALTH} is answered {answer.status}"
    if answer.status in (502, 503, 504):
        return failure(
            saw, "The Functions host does not run, or not yet.", patient.remedies.read_log()
        )
    return failure(
        saw,
        "Usher is not there: not deployed, or its functions did not load.",
        patient.remedies.deploy(),
    )


async def check_settings(patient: Patient) -> Finding:
    """Those of this machine by every key; those of a deployment by its own word."""
    if problems := patient.facts.get("problems"):
        return failure(
            "; ".join(f"{key} {problem}" for key, problem in problems.items()),
            "With wrong settings every function answers closed.",
            "Correct them in local.settings.json or the policy, and start the app again.",
        )
    if patient.health.status == 401:
        return skipped(f"GET {HEALTH} is answered 401, so the app cannot be asked")
    detail = patient.health.problem or ""
    if not detail.startswith(SETTINGS_WRONG):
        return fine(_describe_settings(patient))
    if patient.facts:
        return failure(
            "the running app says that its settings are wrong, and those here are valid",
            "It was started with others.",
            "Stop it, and start it again.",
        )
    return failure(
        f"GET {HEALTH}: {detail}", "Every function answers closed.", patient.remedies.read_log()
    )


def _describe_settings(patient: Patient) -> str:
    if not patient.facts:
        return "valid, by the app's word"
    facts = patient.facts
    return f"valid: hub {facts['hub']}, mode {facts['auth']}, service {facts['service']}"


async def check_health(patient: Patient) -> Finding:
    """Does the app reach the service, and does the service let it in?"""
    answer = patient.health
    if answer.status == 200:
        return fine("the app reaches the service, which lets it in")
    if answer.status == 401:
        return warning(
            f"GET {HEALTH} is answered 401",
            "App Service Authentication covers it, so no monitor can ask for it.",
            f"Add {HEALTH} to `excludedPaths` of the authentication settings.",
        )
    saw = f"GET {HEALTH}: {answer.problem}"
    if refused := ANSWERS_APP_WITH.search(answer.problem or ""):
        return _judge_refusal(patient, saw, int(refused[1]))
    return await _judge_silence(patient, saw)


def _judge_refusal(patient: Patient, saw: str, status: int) -> Finding:
    match status:
        case 403:
            means = "The app's identity has not the role Web PubSub Service Owner."
            return failure(saw, means, patient.remedies.assign_role())
        case 401:
            return failure(
                saw,
                "The access key of the app is not the service's, or its identity is of another "
                "tenant.",
                patient.remedies.renew_connection(),
            )
        case 429:
            means = "The service is asked more than its units allow."
            return failure(saw, means, "Give the Web PubSub resource more units.")
    return failure(saw, "The service fails.", "Look at the health of the Web PubSub resource.")


async def _judge_silence(patient: Patient, saw: str) -> Finding:
    """It matters whether the service answers others."""
    why = await _try_service(patient)
    if why is None:
        means = (
            "The service answers from here and not from the app: the network keeps them apart, or "
            "the app gets no token of its identity."
        )
        return failure(saw, means, patient.remedies.open_network())
    return failure(
        f"{saw} ({why})",
        "The service is not where the app's setting says, or it does not run.",
        patient.remedies.correct_service(),
    )


async def _try_service(patient: Patient) -> str | None:
    """Why it cannot be asked from here; None where it answers."""
    if patient.service is None:
        return "where the service is nobody told; --web-pubsub names it"
    try:
        await patient.ask_service("HEAD", HEALTH)
    except UnreachableError as error:
        return f"{patient.service} does not answer from here either: {error}"
    return None
