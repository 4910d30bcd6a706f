"""The check `clock`: Web PubSub rejects tokens from a clock that differs too much from its own."""

from localdev.doctor.calls import UnreachableError
from localdev.doctor.context import Context
from localdev.doctor.findings import Finding, failure, fine, skipped, warning

WARNING_SECONDS = 60.0
FAILURE_SECONDS = 300.0  # the usual tolerance for tokens: five minutes
NETWORK_TIME = "Synchronise that clock with network time (on Linux `timedatectl set-ntp true`)."


async def check_clock(context: Context) -> Finding:
    """Compare the clocks of the app, of the token's issuer, of Web PubSub and of this machine."""
    if context.service is None:
        return skipped("the address of Web PubSub is unknown")
    try:
        await context.ask_service("HEAD", "/api/health")
    except UnreachableError as error:
        return skipped(f"{context.service} does not answer this machine ({error})")
    return judge_clocks(_all_offsets(context))


def _all_offsets(context: Context) -> dict[str, float]:
    issued = context.token.issued_at if context.token else None
    if issued is None or context.token_received_at is None:
        return context.clock_offsets
    return context.clock_offsets | {"the token's issuer": issued - context.token_received_at}


def judge_clocks(offsets: dict[str, float]) -> Finding:
    """Judge the clocks by their seconds ahead of this machine; "the service" must be among them."""
    to_service = {whose: seconds - offsets["the service"] for whose, seconds in offsets.items()}
    whose = max(to_service, key=lambda name: abs(to_service[name]))
    seconds = to_service[whose]
    if abs(seconds) > WARNING_SECONDS:
        saw = f"the clock of {whose} is {_describe(seconds)} the service's"
        if abs(seconds) > FAILURE_SECONDS:
            means = "Web PubSub rejects tokens from clocks that differ by more than five minutes."
            return failure(saw, means, NETWORK_TIME)
        means = "Tokens still work, but no longer if the difference grows to five minutes."
        return warning(saw, means, NETWORK_TIME)
    own = -offsets["the service"]
    if abs(own) > WARNING_SECONDS:
        saw = f"the clock of this machine is {_describe(own)} the others"
        return warning(saw, "Web PubSub may reject tokens made on this machine.", NETWORK_TIME)
    return fine("the clocks agree")


def _describe(seconds: float) -> str:
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'}"
