"""The checks `clock` and `token`: Web PubSub rejects tokens of a clock that is wrong."""

from localdev.doctor.calls import UnreachableError
from localdev.doctor.context import APP, ISSUER, SERVICE, Context
from localdev.doctor.findings import Finding, failure, fine, skipped, warning

WARNING_SECONDS = 60.0
FAILURE_SECONDS = 300.0  # the usual tolerance for tokens: five minutes
REJECTED = "Web PubSub rejects tokens from clocks that differ by more than five minutes."
NETWORK_TIME = "Synchronise that clock with network time (on Linux `timedatectl set-ntp true`)."


async def check_clock(context: Context) -> Finding:
    """Compare the clocks of the app, of Web PubSub and of this machine."""
    if context.service is None:
        return _judge_app_clock(context)
    return await _ask_service(context) or judge_clocks(context.clock_offsets)


async def _ask_service(context: Context) -> Finding | None:
    """Note the clock of Web PubSub; return a finding if it cannot be read."""
    try:
        await context.ask_service("HEAD", "/api/health")
    except UnreachableError as error:
        return skipped(f"{context.service} does not answer this machine ({error})")
    has_clock = SERVICE in context.clock_offsets
    return None if has_clock else skipped(f"{context.service} answers without a date")


def _judge_app_clock(context: Context) -> Finding:
    """Compare the app with this machine, whose clock may be the wrong one of the two."""
    seconds = context.clock_offsets.get(APP)
    if seconds is None:
        return skipped("the address of Web PubSub is unknown, and the app answers without a date")
    if abs(seconds) <= WARNING_SECONDS:
        return fine("the clocks of the app and of this machine agree")
    saw = f"the clock of the app is {_describe(seconds)} this machine's"
    if abs(seconds) > FAILURE_SECONDS and context.health.body.get("serviceStatus") == 401:
        return failure(saw, f"Web PubSub rejects the app. {REJECTED}", NETWORK_TIME)
    return skipped(f"{saw}; without --web-pubsub, only the check token shows which one is wrong")


async def check_token(context: Context) -> Finding:
    """Compare the clock that issued the token with the clock of Web PubSub."""
    issued = context.token.issued_at if context.token else None
    if issued is None or context.token_received_at is None:
        return skipped("needs a token from negotiate")
    is_first = SERVICE not in context.clock_offsets  # negotiate may have named the service
    if finding := await _ask_service(context):
        return finding
    offsets = context.clock_offsets | {ISSUER: issued - context.token_received_at}
    if is_first:
        return judge_clocks(offsets)
    # What the check `clock` has reported about the app and this machine is not repeated.
    if abs(offsets[ISSUER] - offsets.get(APP, offsets[SERVICE])) <= WARNING_SECONDS:
        return fine("issued by the clock of the app")
    return judge_clocks({ISSUER: offsets[ISSUER] - offsets[SERVICE], SERVICE: 0.0})


def judge_clocks(offsets: dict[str, float]) -> Finding:
    """Judge the clocks by their seconds ahead of this machine; SERVICE must be among them."""
    to_service = {whose: seconds - offsets[SERVICE] for whose, seconds in offsets.items()}
    whose = max(to_service, key=lambda name: abs(to_service[name]))
    seconds = to_service[whose]
    if abs(seconds) > WARNING_SECONDS:
        saw = f"the clock of {whose} is {_describe(seconds)} the service's"
        if abs(seconds) > FAILURE_SECONDS:
            return failure(saw, REJECTED, NETWORK_TIME)
        means = "Tokens still work, but no longer if the difference grows to five minutes."
        return warning(saw, means, NETWORK_TIME)
    own = -offsets[SERVICE]
    if abs(own) > WARNING_SECONDS:
        saw = f"the clock of this machine is {_describe(own)} the others"
        return warning(saw, "Web PubSub may reject tokens made on this machine.", NETWORK_TIME)
    return fine("the clocks agree")


def _describe(seconds: float) -> str:
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'}"
