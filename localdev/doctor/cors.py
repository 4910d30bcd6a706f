"""Checks what a browser asks before a page may call negotiate: the preflight of each origin."""

from localdev.doctor.calls import Answer
from localdev.doctor.findings import Finding, failure, fine, warning
from localdev.doctor.patient import Patient

FOREIGN = "https://foreign.example"
NEGOTIATE = "/api/negotiate"
# A JSON body, and a bearer token in some modes, make a browser ask first (Fetch standard).
ASKED_HEADERS = "authorization,content-type"


async def check_cors(patient: Patient) -> Finding:
    """Each origin must be allowed; where `*` is not among them, a foreign one must not."""
    origins = patient.origins
    named = [origin for origin in origins if origin != "*"]
    refused = {}
    for origin in named:
        if reason := _refusal(await _preflight(patient, origin), origin):
            refused[origin] = reason
    if refused:
        return _tell_refused(patient, refused)
    foreign = await _preflight(patient, FOREIGN)
    return _judge_foreign(patient, foreign, named, "*" in origins)


async def _preflight(patient: Patient, origin: str) -> Answer:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ASKED_HEADERS,
    }
    return await patient.ask_app("OPTIONS", NEGOTIATE, headers)


def _refusal(answer: Answer, origin: str) -> str | None:
    """Why a browser would not go on; None where it would."""
    if 300 <= answer.status < 400:
        return "it is redirected, which no browser follows"
    if not _allows(answer, origin):
        return f"the answer {answer.status} does not allow it"
    if not 200 <= answer.status < 300:
        return f"it is allowed with status {answer.status}, which is no success"
    is_wild = answer.headers.get("Access-Control-Allow-Origin") == "*"
    if is_wild and answer.headers.get("Access-Control-Allow-Credentials") == "true":
        return "browsers refuse `*` together with credentials"
    headers = answer.headers.get("Access-Control-Allow-Headers", "").lower()
    if headers != "*" and "content-type" not in headers:
        return "a body in JSON is not allowed"
    return None


def _allows(answer: Answer, origin: str) -> bool:
    return answer.headers.get("Access-Control-Allow-Origin") in (origin, "*")


def _tell_refused(patient: Patient, refused: dict[str, str]) -> Finding:
    saw = "; ".join(f"preflight from {origin}: {reason}" for origin, reason in refused.items())
    means = "Pages from there cannot call negotiate."
    if any("redirected" in reason for reason in refused.values()):
        fix = "Name the app with https and without authentication that redirects (Return401)."
    else:
        fix = patient.remedies.allow_origins(list(refused))
    return failure(saw, means, fix)


def _judge_foreign(patient: Patient, foreign: Answer, named: list[str], may_all: bool) -> Finding:
    told = ", ".join(named)
    if not _allows(foreign, FOREIGN):
        if may_all:
            return _tell_refused(patient, {"*": f"the answer {foreign.status} allows nothing"})
        return fine(f"allowed: {told or 'no page of another origin'}; a foreign page is not")
    if may_all:
        return fine("pages from anywhere may call, as is asked for")
    return warning(
        f"a preflight from {FOREIGN} is allowed",
        "Any page may read what negotiate answers to its visitors.",
        patient.remedies.forbid_other_origins(),
    )
