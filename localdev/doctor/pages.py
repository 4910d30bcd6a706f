"""Checks who may open a connection from a page: `connect` alone sees where it comes from."""

from localdev.doctor.client import RefusedError, open_client
from localdev.doctor.findings import Finding, failure, fine, skipped, warning
from localdev.doctor.patient import Patient

FOREIGN = "https://foreign.example"


async def check_pages(patient: Patient) -> Finding:
    """Those of the named origins get in, and those of others do not."""
    if patient.token is None:
        return skipped("nobody was let in by negotiate")
    if patient.mode == "local":
        return skipped("local mode lets every page in")
    named = [origin for origin in patient.origins if origin != "*"]
    refused = [origin for origin in named if not await _gets_in(patient, origin)]
    if refused:
        return failure(
            f"a client of a page at {' and '.join(refused)} is refused",
            "USHER_ALLOWED_ORIGINS does not name it: CORS is for negotiate, this for the socket.",
            patient.remedies.admit_pages(refused),
        )
    if await _gets_in(patient, FOREIGN):
        return warning(
            f"a client of a page at {FOREIGN} gets in",
            "The event handler does not send connect, where the app would look at the page.",
            patient.remedies.write_handler(),
        )
    return fine(f"{', '.join(named) or 'no page'} may open a connection; a foreign page may not")


async def _gets_in(patient: Patient, origin: str) -> bool:
    try:
        async with open_client(patient.session, patient.token.url if patient.token else "", origin):
            return True
    except RefusedError:
        return False
