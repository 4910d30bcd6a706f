"""Checks that the clocks agree: a token from the future, or from long ago, opens nothing."""

from localdev.doctor.calls import UnreachableError
from localdev.doctor.findings import Finding, failure, fine, skipped, warning
from localdev.doctor.patient import Patient

NOTICEABLE = 60.0
TOLERATED = 300.0  # five minutes, as is usual for tokens
NETWORK_TIME = "Let its clock be set by network time (`timedatectl set-ntp true`)."


async def check_clock(patient: Patient) -> Finding:
    """Those of the app, of who issued the token, and of the service, beside this machine's."""
    if patient.service is None:
        return skipped("nobody told where the service is")
    try:
        await patient.ask_service("HEAD", "/api/health")
    except UnreachableError as error:
        return skipped(f"{patient.service} does not answer from here ({error})")
    return judge_clocks(_all_clocks(patient))


def _all_clocks(patient: Patient) -> dict[str, float]:
    issued = patient.token.issued_at if patient.token else None
    if issued is None or patient.asked_at is None:
        return patient.ahead
    return patient.ahead | {"the token": issued - patient.asked_at}


def judge_clocks(ahead: dict[str, float]) -> Finding:
    """`ahead` are seconds before this machine's clock; "the service" is one of them."""
    others = {whose: seconds - ahead["the service"] for whose, seconds in ahead.items()}
    whose = max(others, key=lambda name: abs(others[name]))
    seconds = others[whose]
    if abs(seconds) > NOTICEABLE:
        saw = f"the clock of {whose} is {_describe(seconds)} the service's"
        if abs(seconds) > TOLERATED:
            return failure(saw, "The service refuses tokens of that time.", NETWORK_TIME)
        return warning(saw, "Tokens are refused from five minutes on.", NETWORK_TIME)
    own = -ahead["the service"]
    if abs(own) > NOTICEABLE:
        saw = f"the clock of this machine is {_describe(own)} the others"
        return warning(saw, "Tokens that are made here may be refused.", NETWORK_TIME)
    return fine("the clocks agree")


def _describe(seconds: float) -> str:
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'}"
